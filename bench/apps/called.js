'use strict';

// Answers each request after one call to SERVICE_URL, over kept-alive connections, made after an `await`: what client
// spans cost is in it, and the price of knowing whose call it is.
//
// `GET /slices?pairs=N&ms=N` divides the time into slices while others ask, one with client spans and one without in turn, and answers
// with pairs of the CPU time of this process for each request, in microseconds: [without, with]. In the same process, as two
// processes of the same program differ by more than is looked for.

const { existsSync } = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
let connections = 0;
let answered = 0;

const call = () => new Promise((resolve, reject) => {
  http.get(process.env.SERVICE_URL, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject);
});

/** The module of Plimsoll that makes spans of calls; the functions that it is asked for them. */
function spansModule() {
  const files = Object.keys(require.cache);
  const isOurs = (file) => path.basename(file) === 'spans.js' && existsSync(path.join(path.dirname(file), 'agent.cjs'));
  return require.cache[files.find(isOurs)].exports;
}

async function slices(pairs, ms) {
  const spans = spansModule();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const seen = { begin: spans.begin, isTold: spans.isTold };
  const plain = { begin: (request) => null, isTold: (span, tookMs, isFailed) => false };
  const one = async (functions) => {
    Object.assign(spans, functions);
    // So that each slice meets as many collections as any other.
    collect({ type: 'minor' });
    const before = { cpu: process.cpuUsage(), answered };
    await new Promise((resolve) => { setTimeout(resolve, ms); });
    const { user, system } = process.cpuUsage(before.cpu);
    return (user + system) / (answered - before.answered);
  };
  const found = [];
  for (let pair = 0; pair < pairs; pair++) {
    // Forwards and backwards in turn: whatever drifts meets both alike.
    const order = pair % 2 === 0 ? [plain, seen] : [seen, plain];
    const [first, second] = [await one(order[0]), await one(order[1])];
    found.push(pair % 2 === 0 ? [first, second] : [second, first]);
  }
  Object.assign(spans, seen);
  return found;
}

const server = http.createServer(async (request, response) => {
  response.setHeader('content-type', 'text/plain');
  if (request.url === '/who') return response.end(request.socket.remoteAddress);
  if (request.url === '/connections') return response.end(String(connections));
  if (request.url.startsWith('/slices')) {
    const { searchParams } = new URL(request.url, 'http://bench');
    return response.end(JSON.stringify(await slices(Number(searchParams.get('pairs')), Number(searchParams.get('ms')))));
  }
  await null;
  await call();
  answered += 1;
  response.end('Hello, world\n');
});
server.on('connection', () => { connections += 1; });
server.keepAliveTimeout = 0;
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
