'use strict'
// What the watchdog tells of the heap, of what is held outside it, and of collections.
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { PAUSE_THRESHOLD } = require('../js/wire.js')

const MB = 1024 * 1024

const APP = `
const kept = [];
const make = () => Array.from({ length: 2000 }, (_, id) => ({ id, text: 'x' + id }));
const ways = {
  work () { for (let times = 0; times < 100; times++) make(); },
  buffers () { kept.push(Buffer.alloc(8 << 20, 1)); },
  live () { for (let times = 0; times < 150; times++) kept.push(make()); },
  collect () { gc(); }
};
http.createServer((request, response) => {
  ways[request.url.slice(1)]?.();
  response.writeHead(200, { 'Content-Length': 2 }).end('hi');
}).listen(3000, () => say('up'));
`

async function start (t, pauseMs = 0) {
  const plimsoll = await supervisor(t)
  if (pauseMs > 0) plimsoll.page.words[PAUSE_THRESHOLD] = pauseMs
  const app = new App(t, plimsoll, APP, { flags: ['--expose-gc'] })
  const { path } = await plimsoll.listens.next()
  assert.strictEqual(await app.next(), 'up')
  const ask = async (way) => {
    plimsoll.page.send(7)
    assert.strictEqual((await link(t, path).request({ head: `GET /${way} HTTP/1.1`, peer: `${PEER} 7` })).status, 200)
    plimsoll.page.set(7, plimsoll.page.words[7] & ~3)
  }
  return { ask, notices: plimsoll.notices }
}

/** The numbers of a message by name; pauses by kind. */
function read ([heapUsed, heapTotal, heapLimit, external, arrayBuffers, afterMajor, allocated, busyUs, ...pauses]) {
  const kind = (index) => {
    const numbers = pauses.slice(index * 9, index * 9 + 9)
    return { count: numbers.slice(0, 8).reduce((sum, one) => sum + one), totalUs: numbers[8] }
  }
  return { heapUsed, heapTotal, heapLimit, external, arrayBuffers, afterMajor, allocated, busyUs, minor: kind(0), major: kind(1) }
}

/** Asks again and again until what is told of the memory fits. */
async function seen ({ ask, notices }, way, fits) {
  for (;;) {
    await ask(way)
    // What is longer than a blink is told as well: all of it is read before the next one.
    do {
      const { memory } = await notices.next()
      if (memory === undefined) continue
      const figures = read(memory)
      if (fits(figures)) return figures
    } while (notices.length > 0)
  }
}

test('the heap and its limit are told once the process listens', async (t) => {
  const { notices } = await start(t)
  let notice
  do notice = await notices.next(); while (!notice.memory || read(notice.memory).heapLimit === 0)
  const { heapUsed, heapTotal, heapLimit } = read(notice.memory)
  assert.ok(heapUsed > MB && heapUsed <= heapTotal && heapTotal < heapLimit, JSON.stringify([heapUsed, heapTotal, heapLimit]))
})

test('collections, what they left, and what was allocated are told', async (t) => {
  const running = await start(t)
  const { major, afterMajor } = await seen(running, 'collect', ({ major, afterMajor }) => major.count > 0 && afterMajor > 0)
  assert.ok(major.totalUs > 0 && afterMajor > MB)
  const { minor, allocated, busyUs } = await seen(running, 'work', ({ minor, allocated }) => minor.count > 1 && allocated > 8 * MB)
  assert.ok(minor.totalUs > 0 && minor.totalUs < busyUs, JSON.stringify([minor, allocated, busyUs]))
})

test('semi-spaces grow at once when the watchdog has seen that it pays, and not before', () => {
  const v8 = require('node:v8')
  const { MARK } = require('../js/wire.js')
  const said = []
  const { setFlagsFromString } = v8
  v8.setFlagsFromString = (flag) => said.push(flag)
  const fresh = () => {
    delete require.cache[require.resolve('../js/memory.js')]
    return require('../js/memory.js')
  }
  try {
    for (const [factor, flags] of [[32, ['--semi-space-growth-factor=32']], [0, []]]) {
      const marks = new Int32Array(MARK.WORDS)
      const memory = fresh()
      memory.begin(marks, factor)
      memory.measure(marks)
      assert.deepStrictEqual(said, [])
      for (let asked = 0; asked < 2; asked++) {
        marks[MARK.WANTED] = MARK.GROW | MARK.MEASURE | MARK.WEIGH
        memory.measure(marks)
        assert.strictEqual(marks[MARK.WANTED], MARK.WEIGH)
      }
      assert.deepStrictEqual(said.splice(0), flags)
    }
  } finally {
    v8.setFlagsFromString = setFlagsFromString
    fresh()
  }
})

const SIZES = '--max-old-space-size=100 --max-semi-space-size=8'

/** Limits of heaps in MB: of the process, of a thread that the app limits, of one that it does not, and of a child process. */
const HEAPS = `
const { Worker } = require('node:worker_threads');
const limit = 'Math.round(require("node:v8").getHeapStatistics().heap_size_limit / 2 ** 20)';
const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 6 };
const run = (source, options) => new Promise((resolve) => {
  new Worker(source, { eval: true, ...options }).on('message', resolve).on('error', ({ code }) => resolve(code)).on('exit', resolve);
});
const inThread = (options) => run('require("node:worker_threads").parentPort.postMessage(' + limit + ')', options);
const fill = 'const kept = []; while (process.memoryUsage().heapUsed < 64 * 2 ** 20) for (let id = 0; id < 1000; id++) kept.push({ id, text: "x" + id });';
(async () => {
  const child = Number(require('node:child_process').execFileSync(process.execPath, ['-p', limit]));
  say({ own: eval(limit), limited: await inThread({ resourceLimits }), free: await inThread(), child, filled: await run(fill, { resourceLimits }) });
})();
`

test('sizes of the supervisor are those of the process\'s own heap, and not of the app\'s threads', async (t) => {
  const plimsoll = await supervisor(t)
  const plain = await new App(t, null, HEAPS).next()
  const seen = await new App(t, plimsoll, HEAPS, { options: SIZES, env: { PLIMSOLL_AGENT_HEAP: SIZES } }).next()
  assert.ok(seen.own >= 100 && seen.own < 140, JSON.stringify(seen))
  assert.deepStrictEqual(seen, { ...plain, own: seen.own, child: seen.own })
  assert.deepStrictEqual([seen.limited, seen.filled], [38, 'ERR_WORKER_OUT_OF_MEMORY'])
})

test('sizes that the app was given by somebody else stay as they are', async (t) => {
  const plimsoll = await supervisor(t)
  const theirs = '--max-old-space-size=77'
  const env = { PLIMSOLL_AGENT_HEAP: SIZES }
  const plain = await new App(t, null, HEAPS, { flags: [theirs] }).next()
  for (const options of [
    { options: theirs }, { options: theirs, env }, { options: SIZES, env, flags: [theirs] }, { options: `${SIZES} --max_old_space_size=77`, env }
  ]) {
    const { limited, free, filled } = await new App(t, plimsoll, HEAPS, options).next()
    assert.deepStrictEqual({ limited, free, filled }, { limited: plain.limited, free: plain.free, filled: 0 }, JSON.stringify(options))
  }
})

test('what is held outside the heap is told', async (t) => {
  const running = await start(t)
  const { external, arrayBuffers } = await seen(running, 'buffers', ({ arrayBuffers }) => arrayBuffers >= 8 * MB)
  assert.ok(external >= arrayBuffers)
})

test('a pause over the threshold is told like a stall, with its share of collecting', async (t) => {
  const running = await start(t, 1)
  await running.ask('live')
  for (;;) {
    await running.ask('collect')
    const { resumed, total, gc } = await running.notices.next()
    if (resumed === undefined || gc === 0) continue
    assert.ok(gc <= total, JSON.stringify({ total, gc }))
    // On a busy machine what made the garbage is told, too.
    if (gc * 2 >= total) return
  }
})

test('an idle process tells nothing', async (t) => {
  const running = await start(t)
  await seen(running, 'work', ({ minor }) => minor.count > 0)
  // What had changed is told before the watchdog sleeps; a process that goes on, once a second, never gets here.
  const silence = () => new Promise((resolve) => setTimeout(resolve, 3000, 'silent'))
  let notice = running.notices.next()
  notice.catch(() => {})
  while (await Promise.race([notice, silence()]) !== 'silent') {
    notice = running.notices.next()
    notice.catch(() => {})
  }
})
