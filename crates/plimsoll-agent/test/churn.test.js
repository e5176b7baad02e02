'use strict'
// What a request allocates is told where nothing else can have been in between.
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')

const KB = 1024

// 8 bytes for each number.
const APP = `
const hold = (kilobytes) => new Array(kilobytes * 128).fill(1.5);
let kept, held = [];
const answer = (response) => response.writeHead(200, { 'Content-Length': 2 }).end('hi');
const ways = {
  small (response) { kept = hold(1); answer(response); },
  middle (response) { kept = hold(200); answer(response); },
  large (response) { kept = hold(2048); answer(response); },
  async later (response) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    kept = hold(1024);
    answer(response);
  },
  held (response) { kept = hold(512); held.push(response); },
  free (response) { for (const one of held) answer(one); held = []; answer(response); }
};
http.createServer((request, response) => ways[request.url.split('?')[0].slice(1)](response))
  .listen(3000, () => say('up'));
`

async function start (t) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, APP)
  const { path } = await plimsoll.listens.next()
  assert.strictEqual(await app.next(), 'up')
  // Slots are freed by the gateway when the answer is complete.
  const ask = async (way, slot = 7) => {
    plimsoll.page.send(slot)
    assert.strictEqual((await link(t, path).request({ head: `GET /${way}?q=1 HTTP/1.1`, peer: `${PEER} ${slot}` })).status, 200)
    plimsoll.page.set(slot, plimsoll.page.words[slot] & ~3)
  }
  return { ask, weights: plimsoll.weights }
}

/** Weights of `way`, the first of which are those of code that is being compiled. */
async function weigh ({ ask, weights }, way, count = 8) {
  const found = []
  while (found.length < count) {
    await ask(way)
    for (; weights.length > 0;) {
      const { path, method, bytes } = await weights.next()
      assert.strictEqual(method, 'GET')
      if (path === `/${way}`) found.push(bytes)
    }
  }
  const half = found.slice(count >> 1).sort((a, b) => a - b)
  return half[half.length >> 1]
}

function near (found, expected) {
  assert.ok(Math.abs(found - expected) <= expected * 0.2, `${found} is not ${expected}`)
}

test('the weight of a request is what it allocates, within a fifth', async (t) => {
  const running = await start(t)
  const small = await weigh(running, 'small')
  // What Node itself makes for a request is in it.
  assert.ok(small > KB && small < 60 * KB, `${small}`)
  near(await weigh(running, 'middle') - small, 199 * KB)
  near(await weigh(running, 'large') - small, 2047 * KB)
})

test('after an await as well, where the request was alone', async (t) => {
  const running = await start(t)
  near(await weigh(running, 'later'), 1024 * KB)
})

test('a request that was not alone is not weighed, unless it was answered at once', async (t) => {
  const running = await start(t)
  const { ask, weights } = running
  const pending = []
  for (let slot = 10; slot < 30; slot++) pending.push(ask('held', slot))
  await weigh(running, 'small', 4)
  await ask('free', 40)
  await Promise.all(pending)
  await weigh(running, 'small', 4)
  while (weights.length > 0) assert.notStrictEqual((await weights.next()).path, '/held')
})
