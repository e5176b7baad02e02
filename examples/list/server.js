'use strict';

const http = require('node:http');
const items = require('./items.js');

const server = http.createServer((request, response) => {
  if (request.url === '/items') return items(request, response);
  response.statusCode = 404;
  response.end('not found\n');
});

server.listen(process.env.PORT || 3000, () => {
  console.log('listening on', server.address());
});
