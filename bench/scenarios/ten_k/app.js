'use strict'
// An API as Express apps are written: one lookup, one JSON answer. The article's 10,000 requests a second come here.
const express = require('express')

const products = new Map(Array.from({ length: 1000 }, (_, id) => [String(id), { id, name: `product ${id}`, cents: id * 100, tags: ['a', 'b'] }]))

const app = express()
app.disable('etag')

app.get('/', (req, res) => res.send('products\n'))

app.get('/products/:id', (req, res) => {
  const product = products.get(req.params.id)
  if (!product) return res.status(404).json({ error: `no product ${req.params.id}` })
  res.json(product)
})

app.listen(process.env.PORT)
