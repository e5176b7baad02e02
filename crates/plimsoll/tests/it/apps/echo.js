'use strict';

// Answers with everything it saw. `x-answer` in the request asks for another kind of answer, so that the
// target and the rest of the head are free to be odd. `/ran` tells which requests ran since it was last asked.

const crypto = require('node:crypto');
const http = require('node:http');

const ran = [];

const answers = {
  echo(request, response, seen) {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(seen));
  },
  'no content': (request, response) => response.writeHead(204).end(),
  'not modified': (request, response) => response.writeHead(304, { ETag: '"1"', 'Content-Length': 99 }).end(),
  'reset content': (request, response) => response.writeHead(205).end(),
  reason: (request, response) => response.writeHead(299, 'Very Fine Indeed').end('fine'),
  'no reason': (request, response) => response.writeHead(200, '').end('fine'),
  chunked(request, response) {
    response.write('one,');
    response.write('two,');
    response.end('three');
  },
  length(request, response) {
    response.setHeader('Content-Length', 5);
    response.end('12345');
  },
  'empty length': (request, response) => response.writeHead(200, { 'Content-Length': 0 }).end(),
  trailers(request, response) {
    response.writeHead(200, { Trailer: 'X-Sum, X-More' });
    response.write('body');
    response.addTrailers({ 'X-Sum': 'abc', 'x-more': '1' });
    response.end();
  },
  'early hints'(request, response, seen) {
    response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] });
    answers.echo(request, response, seen);
  },
  processing(request, response, seen) {
    response.writeProcessing();
    response.writeProcessing();
    answers.echo(request, response, seen);
  },
  headers(request, response) {
    response.writeHead(200, [
      ['X-One', '1'], ['x-one', '2'], ['Set-Cookie', 'a=1'], ['X-Empty', ''], ['set-COOKIE', 'b=2'],
      ['X-Obs', 'caf\xe9'], ['X-' + 'n'.repeat(300), 'long name'], ['X-Plimsoll', 'of the app'],
      ['Connection', 'X-Hop'], ['X-Hop', 'kept'],
    ].flat());
    response.end('ok');
  },
  close(request, response) {
    response.setHeader('Connection', 'close');
    response.end('closing');
  },
  'until close'(request, response) {
    response.useChunkedEncodingByDefault = false;
    response.removeHeader('Transfer-Encoding');
    response.writeHead(200, { Connection: 'close' });
    response.write('no length, ');
    response.end('the end is the end');
  },
  gzip(request, response) {
    response.writeHead(200, { 'Transfer-Encoding': 'gzip, chunked' });
    response.end('not really gzip');
  },
  big: (request, response) => response.end(Buffer.alloc(300_000, 'x')),
  'no date'(request, response) {
    response.sendDate = false;
    response.end('timeless');
  },
};

function see(request, body) {
  const { method, url, httpVersion, rawHeaders, rawTrailers, headers, complete, socket } = request;
  return {
    method, url, httpVersion, rawHeaders, rawTrailers, headers, complete,
    headersDistinct: request.headersDistinct,
    trailers: request.trailers,
    body: { bytes: body.length, sha256: crypto.createHash('sha256').update(body).digest('hex') },
    remoteAddress: socket.remoteAddress,
    remoteFamily: socket.remoteFamily,
    remotePort: typeof socket.remotePort,
    localAddress: socket.localAddress,
    localPortIsPort: socket.localPort === Number(process.env.PORT),
    encrypted: socket.encrypted,
  };
}

const server = http.createServer((request, response) => {
  if (request.url === '/ran') return response.end(JSON.stringify(ran.splice(0)));
  ran.push(request.url);
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('error', () => {});
  request.on('end', () => {
    const answer = answers[request.headers['x-answer'] ?? 'echo'];
    answer(request, response, see(request, Buffer.concat(pieces)));
  });
});

server.listen(process.env.PORT, process.env.HOST);
