'use strict'
// The app of `bench shutdown`: fast and slow answers without work, and a ledger of what ran.
const fs = require('node:fs')
const http = require('node:http')

const ledger = process.env.LEDGER ? fs.openSync(process.env.LEDGER, 'a') : null

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://a')
  const wait = Number(url.searchParams.get('wait') ?? 0)
  const done = () => {
    const body = 'done\n'
    response.writeHead(200, { 'content-length': body.length }).end(body)
  }
  // What ran is written down before it is answered: one small append is one write, whole or not at all.
  if (ledger !== null && request.method === 'POST') fs.writeSync(ledger, `${url.searchParams.get('id')}\n`)
  const spin = Number(url.searchParams.get('spin') ?? 0)
  for (const end = performance.now() + spin; performance.now() < end;);
  if (wait > 0) setTimeout(done, wait)
  else done()
})
server.listen(process.env.PORT)

// What most guides recommend.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections?.()
})
