'use strict'
// What slow clients ask for: a body that is read as it comes, and much to read.
const http = require('node:http')

const much = Buffer.alloc(8 * 1024 * 1024, 'x')

http.createServer((request, response) => {
  request.resume()
  request.on('error', () => {})
  if (request.url.startsWith('/large')) return response.end(much)
  if (request.method === 'GET') return response.end('ok\n')
  request.on('end', () => response.end('ok\n'))
}).listen(process.env.PORT)
