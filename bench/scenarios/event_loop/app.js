'use strict'
// Fast routes beside what keeps the loop: a body of 2 MB as JSON, a password's hash made synchronously, a regular expression that goes
// astray on what a user typed, and an export of 200 MB, as a stream.
const { pbkdf2Sync } = require('node:crypto')
const { Readable, pipeline } = require('node:stream')
const express = require('express')

const rows = Array.from({ length: 30_000 }, (_, id) => ({ id, name: `row ${id}`, tags: ['one', 'two'], price: id * 1.5 }))
const body = JSON.stringify(rows)
const typed = 'a'.repeat(22) + '!'
const EXPORT_BYTES = 200e6
const lines = Buffer.from(Array.from({ length: 1200 }, (_, id) => `${id};row ${id};one,two;${id * 1.5}\n`).join(''))

const app = express()
app.disable('etag')

app.get('/', (req, res) => res.send('fast\n'))
app.get('/items/:id', (req, res) => res.json({ id: req.params.id, name: `item ${req.params.id}` }))
app.get('/import', (req, res) => {
  const parsed = JSON.parse(body)
  res.json({ rows: parsed.length, bytes: body.length })
})
app.get('/login', (req, res) => res.json({ hash: pbkdf2Sync('secret', 'salt', 200_000, 64, 'sha512').toString('hex') }))
app.get('/search', (req, res) => res.json({ found: /^(a+)+$/.test(typed) }))
app.get('/export', (req, res) => {
  res.type('text/csv')
  pipeline(Readable.from(exported()), res, () => {})
})

function * exported () {
  for (let bytes = 0; bytes < EXPORT_BYTES; bytes += lines.length) yield lines
}

app.listen(process.env.PORT)
