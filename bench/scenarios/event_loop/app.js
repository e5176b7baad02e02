'use strict'
// Fast routes beside the article's three that keep the loop: a body of 2 MB as JSON, a password's hash made synchronously, and a
// regular expression that goes astray on what a user typed.
const { pbkdf2Sync } = require('node:crypto')
const express = require('express')

const rows = Array.from({ length: 30_000 }, (_, id) => ({ id, name: `row ${id}`, tags: ['one', 'two'], price: id * 1.5 }))
const body = JSON.stringify(rows)
const typed = 'a'.repeat(22) + '!'

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

app.listen(process.env.PORT)
