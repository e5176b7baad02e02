'use strict'
// The same list by Fastify.
const app = require('fastify')()

const items = Array.from({ length: 20 }, (_, id) => ({ id, name: `item ${id}`, cents: id * 100, tags: ['a', 'b'] }))

app.get('/', async () => ({ items: items.map((item) => ({ ...item, price: item.cents / 100 })), count: items.length }))
// Behind nginx the port is a path.
const where = process.env.PORT
app.listen(/^\d+$/.test(where) ? { port: Number(where) } : { path: where })
