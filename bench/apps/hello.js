'use strict';

// The app behind every contender of `cargo xtask bench`: the least that Node can do for a request, so that what
// the proxy costs is not hidden by the app. PORT is a TCP port or, behind nginx and HAProxy, a path.

const http = require('node:http');

let connections = 0;

const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  if (request.url === '/') return response.end('Hello, world\n');
  // Two questions by which the bench proves that all contenders do the same work.
  if (request.url === '/who') {
    return response.end(request.headers['x-forwarded-for'] ?? request.socket.remoteAddress);
  }
  if (request.url === '/connections') return response.end(String(connections));
  response.statusCode = 404;
  response.end();
});

server.on('connection', () => { connections += 1; });

// Nobody's keep-alive connection is closed by Node in the middle of a measurement, and no contender's worker
// sends the `Keep-Alive` header that the others' workers do not.
server.keepAliveTimeout = 0;

const where = process.env.PORT ?? '3000';
if (/^\d+$/.test(where)) server.listen(Number(where), '127.0.0.1');
else server.listen(where);
