'use strict'
// A service that stands 20 calls at once, and collapses above: what it has at once is in the way of each other (locks, a working
// set that no longer fits, a database that thrashes), so that each call takes longer by the square of what is too much. Up to 20 it
// serves 1,000 calls a second; with 100 at once 200; no call takes longer than 5 s. GET /figures tells how many there were at once.
const http = require('node:http')

const STANDS = 20
const MS = 20
const MS_MAX = 5000
const figures = { now: 0, peak: 0, total: 0 }

http.createServer((request, response) => {
  if (request.url === '/') return response.end('ready\n')
  if (request.url === '/figures') return response.end(JSON.stringify(figures))
  figures.total++
  figures.now++
  figures.peak = Math.max(figures.peak, figures.now)
  const more = Math.max(1, figures.now / STANDS)
  setTimeout(() => response.end('17\n'), Math.min(MS_MAX, MS * more * more))
  // Also where the caller has gone.
  response.once('close', () => { figures.now-- })
}).listen(process.env.PORT)
