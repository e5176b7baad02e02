'use strict';

// A worker that misbehaves as it is told: `/say?ESCAPED` writes these bytes to the socket and closes it.

const http = require('node:http');

let runs = 0;

const server = http.createServer((request, response) => {
  const [path, query = ''] = request.url.split('?');
  const { socket } = request;
  if (path === '/good') return response.end('good');
  if (path === '/runs') return response.end(JSON.stringify({ runs }));
  runs += 1;
  if (path === '/silent') return;
  if (path === '/close') return socket.destroy();
  if (path === '/reset') return socket.resetAndDestroy();
  if (path === '/exit') return process.exit(7);
  if (path === '/endless') {
    const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)), 1);
    return socket.on('close', () => clearInterval(timer));
  }
  const bytes = Buffer.from(unescape(query), 'latin1');
  request.resume();
  request.on('end', () => {
    if (path === '/say-and-stay') return socket.write(bytes);
    socket.end(bytes);
  });
});

server.listen(process.env.PORT);
