'use strict';

// GET /N answers N bytes with back-pressure; PUT reads its body, at most RATE bytes per second (0: as fast as it
// comes), and answers how many bytes arrived. PORT is a TCP port or a path.

const http = require('node:http');
const { pipeline, Readable } = require('node:stream');

const CHUNK = Buffer.alloc(64 * 1024, 'plimsoll');
const RATE = Number(process.env.RATE ?? 0);

function bytes(total) {
  let left = total;
  return new Readable({
    highWaterMark: CHUNK.length,
    read() {
      if (left === 0) return this.push(null);
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      this.push(chunk);
    },
  });
}

function download(request, response) {
  const total = Number(request.url.slice(1));
  if (!Number.isSafeInteger(total)) {
    response.statusCode = 404;
    return response.end();
  }
  response.setHeader('content-type', 'application/octet-stream');
  response.setHeader('content-length', total);
  pipeline(bytes(total), response, () => {});
}

async function upload(request, response) {
  const started = performance.now();
  let total = 0;
  for await (const chunk of request) {
    total += chunk.length;
    const ahead = RATE === 0 ? 0 : (total / RATE) * 1000 - (performance.now() - started);
    if (ahead > 5) await new Promise((resolve) => setTimeout(resolve, ahead));
  }
  response.end(String(total));
}

const server = http.createServer((request, response) => {
  if (request.method === 'GET') return download(request, response);
  upload(request, response).catch(() => response.destroy());
});

server.keepAliveTimeout = 0;

const where = process.env.PORT ?? '3000';
if (/^\d+$/.test(where)) server.listen(Number(where), '127.0.0.1');
else server.listen(where);
