'use strict';
// The service that is called. It knows how many calls it had to answer at once: `GET /figures`.
const http = require('node:http');

const MS = Number(process.env.STOCK_MS ?? 20);
const held = new Set();
let now = 0;
let peak = 0;
let total = 0;
// The area under the curve of the calls in flight, for their mean.
let area = 0;
let since = performance.now();
let first = since;

function count(change) {
  const at = performance.now();
  area += now * (at - since);
  since = at;
  now += change;
  peak = Math.max(peak, now);
}

function serve(response, answer) {
  count(+1);
  total += 1;
  let isOpen = true;
  const over = () => { if (isOpen) count(-1); isOpen = false; };
  response.on('close', over);
  answer(() => { over(); response.end('17\n'); });
}

const routes = {
  stock: (response) => serve(response, (end) => setTimeout(end, MS)),
  hold: (response) => serve(response, (end) => { held.add(end); response.on('close', () => held.delete(end)); }),
  release: (response) => { for (const end of held) end(); held.clear(); response.end(); },
  figures: (response) => { count(0); response.end(JSON.stringify({ now, peak, total, mean: area / (since - first) })); },
  reset: (response) => { count(0); peak = now; total = area = 0; first = since; response.end(); },
};

http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const route = routes[request.url.split('/')[1]];
  if (route) route(response);
  else response.end('stock\n');
}).listen(process.env.PORT ?? 7070);
