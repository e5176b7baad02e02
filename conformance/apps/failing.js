'use strict'
// Fails in the ways that the gateway answers for.
const http = require('node:http')

http.createServer((request, response) => {
  const { socket } = request
  if (request.url === '/destroyed') return socket.destroy()
  if (request.url === '/rubbish') return socket.end('HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n')
  if (request.url === '/silent') return
  response.end('ok\n')
}).listen(process.env.PORT)
