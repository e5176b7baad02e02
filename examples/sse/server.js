'use strict';

const http = require('node:http');

let watching = 0;

function events(request, response, { searchParams }) {
  const last = Number(searchParams.get('count') ?? Infinity);
  let id = Number(request.headers['last-event-id'] ?? 0);

  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.write('retry: 1000\n\n');
  watching += 1;

  const timer = setInterval(() => {
    id += 1;
    response.write(`id: ${id}\nevent: tick\ndata: {"tick":${id}}\n\n`);
    if (id >= last) response.end();
  }, Number(searchParams.get('every') ?? 1000));

  response.on('close', () => {
    clearInterval(timer);
    watching -= 1;
  });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/events') return events(request, response, url);
  if (url.pathname === '/watching') return response.end(JSON.stringify({ watching }));
  response.writeHead(404).end();
});

server.listen(process.env.PORT || 3000, () => {
  console.log('listening on', server.address());
});
