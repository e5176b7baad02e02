'use strict';

// Answers each request after one call to SERVICE_URL, over kept-alive connections, made after an `await`: what client
// spans cost is in it, and the price of knowing whose call it is.

const http = require('node:http');

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
let connections = 0;

const call = () => new Promise((resolve, reject) => {
  http.get(process.env.SERVICE_URL, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject);
});

const server = http.createServer(async (request, response) => {
  response.setHeader('content-type', 'text/plain');
  if (request.url === '/who') return response.end(request.socket.remoteAddress);
  if (request.url === '/connections') return response.end(String(connections));
  await null;
  await call();
  response.end('Hello, world\n');
});
server.on('connection', () => { connections += 1; });
server.keepAliveTimeout = 0;
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
