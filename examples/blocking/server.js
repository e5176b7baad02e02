'use strict';
// Every common way to block an event loop, one route each. Each takes a good part of a second; `/` takes none.

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');

const ROWS = 300_000;

function readReport (body) {
  const report = JSON.parse(body);
  return `${report.length} rows`;
}

function hashPassword (password) {
  return crypto.pbkdf2Sync(password, 'salt', 600_000, 64, 'sha512').toString('hex');
}

// Nested repetition: each further letter doubles the time.
function isWord (text) {
  return /^(\w+\s?)*$/.test(text);
}

function scanFiles () {
  let bytes = 0;
  for (const end = Date.now() + 300; Date.now() < end;) bytes += fs.readFileSync(__filename).length;
  return `${bytes} bytes`;
}

function sortRows () {
  const rows = Array.from({ length: ROWS }, (_, row) => ({ name: `row ${(row * 7919) % ROWS}` }));
  rows.sort((one, other) => one.name.localeCompare(other.name));
  return rows[0].name;
}

function exportRows () {
  const rows = Array.from({ length: ROWS }, (_, id) => ({ id, name: `row ${id}`, tags: ['a', 'b', 'c'] }));
  return JSON.stringify(rows);
}

const routes = {
  'GET /': () => 'hello',
  'POST /reports': (url, body) => readReport(body),
  'POST /login': (url, body) => hashPassword(body || 'secret'),
  'GET /search': (url) => String(isWord(url.searchParams.get('q') ?? 'a'.repeat(25) + '!')),
  'GET /files': scanFiles,
  'GET /sorted': sortRows,
  'GET /export': exportRows
};

async function bodyOf (request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const answer = routes[`${request.method} ${url.pathname}`];
  if (!answer) return response.writeHead(404).end('nothing is here\n');
  try {
    const body = request.method === 'POST' ? await bodyOf(request) : '';
    response.end(answer(url, body) + '\n');
  } catch (error) {
    response.writeHead(400).end(error.message + '\n');
  }
});

server.listen(process.env.PORT || 3000, () => console.log('listening on', server.address()));
