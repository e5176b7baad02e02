'use strict';

const http = require('node:http');

const server = http.createServer((request, response) => {
  response.end('hello\n');
});

server.listen(process.env.PORT || 3000, () => {
  console.log('listening on', server.address());
});
