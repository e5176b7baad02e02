'use strict';
// Orders, each with its stock from another service: `GET /orders?ids=50` makes 50 calls at once, the way such code is
// written. `by` chooses the library (501: it does not run on this Node.js); with `each` the calls for an id follow one another.
const http = require('node:http');

const STOCK = process.env.STOCK_URL ?? 'http://127.0.0.1:7070';
const agent = new http.Agent({ keepAlive: true });
// What an app does by itself, in each of its processes.
const ten = new http.Agent({ keepAlive: true, maxSockets: 10 });

function get(url, options) {
  return new Promise((resolve, reject) => {
    http.get(url, options, (response) => response.resume().on('end', resolve)).on('error', reject);
  });
}

const ofUndici = ({ request }) => async (url) => (await request(url)).body.text();

const libraries = {
  http: () => (url) => get(url, {}),
  agent: () => (url) => get(url, { agent }),
  ten: () => (url) => get(url, { agent: ten }),
  fetch: () => async (url) => (await fetch(url)).text(),
  axios: () => require('axios').get,
  got: () => (url) => require('got')(url, { retry: 0 }),
  'node-fetch': () => async (url) => (await require('node-fetch')(url)).text(),
  undici: () => ofUndici(require('undici')),
  'undici-5': () => ofUndici(require('undici-5')),
  'undici-7': () => ofUndici(require('undici-7')),
  own: () => {
    const { Agent, request } = require('undici');
    const dispatcher = new Agent();
    return async (url) => (await request(url, { dispatcher })).body.text();
  },
};

const calls = {};

function caller(by) {
  try {
    return calls[by] ??= libraries[by]();
  } catch {
    return null;
  }
}

async function orders(response, { ids = '5', by = 'fetch', path = '/stock', each = '1' }) {
  const call = caller(by);
  if (call === null) return response.writeHead(501, { 'content-length': 0 }).end();
  const one = async (id) => { for (let made = 0; made < Number(each); made++) await call(`${STOCK}${path}/${id}`); };
  const all = Array.from({ length: Number(ids) }, (_, id) => one(id));
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
