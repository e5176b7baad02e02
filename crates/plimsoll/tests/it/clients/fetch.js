'use strict';

// The clients that Node brings along, against the echo app on the port given.

const http = require('node:http');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

const base = `http://127.0.0.1:${process.argv[2]}`;
const seen = {};

const kept = ({ method, url, body, complete, rawTrailers }) => ({ method, url, body, complete, rawTrailers });

async function withFetch() {
  const json = await fetch(`${base}/json?a=1`, { method: 'POST', body: JSON.stringify({ some: 'thing' }) });
  seen.json = kept(await json.json());

  const stream = new ReadableStream({
    async start(controller) {
      for (let i = 0; i < 20; i += 1) {
        controller.enqueue(Buffer.alloc(10_000, i));
        await sleep(1);
      }
      controller.close();
    },
  });
  const streamed = await fetch(`${base}/stream`, { method: 'PUT', body: stream, duplex: 'half' });
  seen.streamed = kept(await streamed.json());

  const form = new FormData();
  form.set('file', new Blob([Buffer.alloc(300_000, 7)]), 'seven.bin');
  const answer = await (await fetch(`${base}/form`, { method: 'POST', body: form })).json();
  seen.form = { bytes: answer.body.bytes > 300_000, complete: answer.complete };

  const many = await Promise.all(Array.from({ length: 100 }, (_, i) => fetch(`${base}/many/${i}`)));
  const urls = await Promise.all(many.map(async (response) => (await response.json()).url));
  seen.many = urls.every((url, i) => url === `/many/${i}`);

  const head = await fetch(`${base}/head`, { method: 'HEAD', headers: { 'x-answer': 'length' } });
  seen.head = [head.status, head.headers.get('content-length')];

  const big = await fetch(`${base}/big`, { headers: { 'x-answer': 'big' } });
  seen.big = (await big.text()).length;
}

async function withAgent() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  for (let i = 0; i < 5; i += 1) {
    const request = http.request(`${base}/agent/${i}`, { agent, method: 'POST', headers: { Trailer: 'X-T' } });
    request.write('piece');
    request.addTrailers({ 'X-T': String(i) });
    request.end();
    const [response] = await once(request, 'response');
    ports.add(response.socket.localPort);
    const text = (await response.toArray()).join('');
    seen[`agent ${i}`] = kept(JSON.parse(text));
  }
  seen.connections = ports.size;
  agent.destroy();
}

async function withExpect() {
  const request = http.request(`${base}/expect`, { method: 'POST', headers: { Expect: '100-continue' } });
  request.flushHeaders();
  await once(request, 'continue');
  request.end('only now');
  const [response] = await once(request, 'response');
  seen.expect = kept(JSON.parse((await response.toArray()).join('')));
}

async function withInformation() {
  const request = http.get(`${base}/hints`, { headers: { 'x-answer': 'early hints' } });
  const informed = [];
  request.on('information', ({ statusCode, rawHeaders }) => informed.push([statusCode, rawHeaders]));
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  seen.informed = informed;
}

async function main() {
  await withFetch();
  await withAgent();
  await withExpect();
  await withInformation();
  process.stdout.write(JSON.stringify(seen));
}

main();
