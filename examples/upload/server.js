'use strict';

const crypto = require('node:crypto');
const http = require('node:http');
const { Readable, pipeline } = require('node:stream');

const PIECE = Buffer.alloc(64 * 1024, 'plimsoll ');

async function upload(request, response) {
  const hash = crypto.createHash('sha256');
  let bytes = 0;
  for await (const piece of request) {
    bytes += piece.length;
    hash.update(piece);
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ bytes, sha256: hash.digest('hex') }));
}

function* pieces(bytes) {
  for (let left = bytes; left > 0; left -= PIECE.length) {
    yield left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
  }
}

function download(request, response, { searchParams }) {
  const bytes = Number(searchParams.get('bytes') ?? 1_000_000);
  response.setHeader('content-type', 'application/octet-stream');
  if (!searchParams.has('chunked')) response.setHeader('content-length', bytes);
  pipeline(Readable.from(pieces(bytes)), response, (error) => {
    if (error) console.log('download ended early:', error.code);
  });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/upload') {
    upload(request, response).catch((error) => console.log('upload ended early:', error.code));
  } else if (url.pathname === '/download') {
    download(request, response, url);
  } else {
    response.writeHead(404).end();
  }
});

server.listen(process.env.PORT || 3000, () => {
  console.log('listening on', server.address());
});
