'use strict'
// A list as JSON, by Express as it is after `npm install`.
const express = require('express')

const items = Array.from({ length: 20 }, (_, id) => ({ id, name: `item ${id}`, cents: id * 100, tags: ['a', 'b'] }))

const app = express()
app.get('/', (req, res) => res.json({ items: items.map((item) => ({ ...item, price: item.cents / 100 })), count: items.length }))
app.listen(process.env.PORT)
