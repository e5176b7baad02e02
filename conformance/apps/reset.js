'use strict'
// Every request to /fail is written down, and then its connection is reset; the rest is served.
const fs = require('node:fs')
const http = require('node:http')

const ledger = fs.openSync(process.env.LEDGER, 'a')

http.createServer((request, response) => {
  if (!request.url.startsWith('/fail')) return response.end('ok\n')
  fs.writeSync(ledger, `${request.method} ${request.url}\n`)
  request.socket.destroy()
}).listen(process.env.PORT)
