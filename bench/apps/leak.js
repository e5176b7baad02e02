'use strict'
// Keeps a part of each request for ever, and no more than so much a second, so that it fills in the time that is asked for
// and not in that which the machine takes.
const http = require('node:http')

const PER_SECOND = Number(process.env.LEAK_BYTES_PER_SECOND || 250_000)
const PIECE = 2000

const kept = []
const began = Date.now()

http.createServer((request, response) => {
  while (kept.length * PIECE < (Date.now() - began) / 1000 * PER_SECOND) {
    kept.push(Array.from({ length: PIECE / 40 }, (_, id) => ({ id, at: began })))
  }
  response.end('ok')
}).listen(process.env.PORT)
