'use strict'
// The least that Node can do for a request.
const http = require('node:http')

http.createServer((req, res) => {
  res.setHeader('content-type', 'text/plain')
  res.end('hello\n')
}).listen(process.env.PORT)
