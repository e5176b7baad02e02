'use strict';
// The service that is called. It knows how many calls it had to answer at once: `GET /figures`.
const http = require('node:http');

const MS = Number(process.env.STOCK_MS ?? 20);
const held = new Set();
let now = 0;
let peak = 0;
let total = 0;
let status = 200;
// The area under the curve of the calls in flight, from the first to the end of the last, for their mean.
let area = 0;
let first = 0;
let since = 0;

function count(change) {
  const at = performance.now();
  if (total === 0) first = at;
  else area += now * (at - since);
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
  answer(() => { over(); response.writeHead(status).end('17\n'); });
}

// Four at a time, as a service with four workers would.
const line = [];
let working = 0;

function work() {
  while (working < 4 && line.length > 0) {
    const end = line.shift();
    working += 1;
    setTimeout(() => { working -= 1; end(); work(); }, MS);
  }
}

const routes = {
  stock: (response, ms) => serve(response, (end) => setTimeout(end, ms ?? MS)),
  four: (response) => serve(response, (end) => { line.push(end); work(); }),
  hold: (response) => serve(response, (end) => { held.add(end); response.on('close', () => held.delete(end)); }),
  release: (response) => { for (const end of held) end(); held.clear(); response.end(); },
  figures: (response) => response.end(JSON.stringify({ now, peak, total, mean: area / (since - first) || 0 })),
  // `/status-503`: from now on nothing works.
  status: (response, code) => { status = code; response.end(); },
  reset: (response) => { peak = now; total = area = 0; response.end(); },
};

// `/stock/7` takes as long as always, `/stock-100/7` 100 ms.
http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const [name, ms] = request.url.split('/')[1].split('-');
  const route = routes[name];
  if (route) route(response, ms && Number(ms));
  else response.end('stock\n');
}).listen(process.env.PORT ?? 7070);
