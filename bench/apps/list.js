'use strict'
// A list as APIs answer it: rows come from somewhere as text, after a moment; each becomes an object that lives as long as its
// request, and all of them text again.
const http = require('node:http')

const rows = JSON.stringify(Array.from({ length: 300 }, (_, id) => ({
  id, name: `item ${id}`, price: id * 1.5, tags: ['a', 'b'], stock: { here: id % 7, there: id % 3 }
})))

http.createServer((request, response) => {
  setTimeout(() => {
    const list = JSON.parse(rows).map((row) => ({ ...row, label: `${row.name} (${row.id})`, total: row.price * 1.2 }))
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ items: list, count: list.length }))
  }, 5)
}).listen(process.env.PORT)
