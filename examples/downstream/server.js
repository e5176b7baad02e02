'use strict';
// Orders, each with its stock from another service: `GET /orders?ids=50` makes 50 calls at once, the way such code is
// written. `by` chooses the library: http, fetch, undici, axios.
const http = require('node:http');
const axios = require('axios');
const undici = require('undici');

const STOCK = process.env.STOCK_URL ?? 'http://127.0.0.1:7070';
const agent = new http.Agent({ keepAlive: true });
const dispatcher = new undici.Agent();

function get(url, options) {
  return new Promise((resolve, reject) => {
    http.get(url, options, (response) => response.resume().on('end', resolve)).on('error', reject);
  });
}

const call = {
  http: (url) => get(url, {}),
  agent: (url) => get(url, { agent }),
  fetch: async (url) => (await fetch(url)).text(),
  undici: async (url) => (await undici.request(url)).body.text(),
  own: async (url) => (await undici.request(url, { dispatcher })).body.text(),
  axios: (url) => axios.get(url),
};

async function orders(response, { ids = '5', by = 'fetch', path = '/stock' }) {
  const all = Array.from({ length: Number(ids) }, (_, id) => call[by](`${STOCK}${path}/${id}`));
  const results = await Promise.allSettled(all);
  const failed = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
  const codes = failed.map((error) => error.code ?? error.cause?.code);
  const text = JSON.stringify({ orders: results.length, failed: failed.length, code: codes[0] });
  response.writeHead(200, { 'content-length': text.length }).end(text);
}

http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://shop');
  if (pathname === '/orders') void orders(response, Object.fromEntries(searchParams));
  else response.end('shop\n');
}).listen(process.env.PORT ?? 3000);
