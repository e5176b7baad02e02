'use strict';

// The list of `examples/list`, and what proves that all contenders do the same work.

const http = require('node:http');
const items = require('../../examples/list/items.js');

let connections = 0;

const server = http.createServer((request, response) => {
  if (request.url === '/who') return response.end(request.socket.remoteAddress);
  if (request.url === '/connections') return response.end(String(connections));
  items(request, response);
});
server.on('connection', () => { connections += 1; });
server.keepAliveTimeout = 0;
server.listen(process.env.PORT, '127.0.0.1');
