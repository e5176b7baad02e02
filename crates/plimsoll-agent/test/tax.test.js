'use strict'
// Who asks for async context is told, with the place; how much it is used; and nothing of it can be seen.
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { CALLBACK } = require('../js/wire.js').TAX

const MAJOR = Number(process.versions.node.split('.')[0])
const HAS_FRAME = MAJOR >= 24

async function start (t, source, flags = []) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, source + `
    http.createServer(async (request, response) => {
      for (let times = 0; times < 500; times++) await (async () => {})();
      response.writeHead(200, { 'Content-Length': 2 }).end('hi');
    }).listen(3000, () => say('up'));`, { flags })
  const { path } = await plimsoll.listens.next()
  const ask = async () => {
    plimsoll.page.send(7)
    assert.strictEqual((await link(t, path).request({ head: 'GET / HTTP/1.1', peer: `${PEER} 7` })).status, 200)
    plimsoll.page.set(7, plimsoll.page.words[7] & ~3)
  }
  return { app, ask, plimsoll }
}

/** Asks until a rate is told that fits. */
async function rate ({ ask, plimsoll }, fits) {
  for (;;) {
    await ask()
    while (plimsoll.rates.length > 0) {
      const next = await plimsoll.rates.next()
      if (fits(next)) return next
    }
  }
}

const CLASS = `const { AsyncLocalStorage, createHook } = require('node:async_hooks');
const storage = new AsyncLocalStorage();
`

test('the first use of AsyncLocalStorage is told with its place, once for each way', async (t) => {
  const { app, plimsoll } = await start(t, CLASS + `
    function atStart () { storage.run(1, () => {}); }
    storage.enterWith(3); storage.enterWith(4); atStart(); storage.run(2, () => {});`)
  const [first, second] = [await plimsoll.authors.next(), await plimsoll.authors.next()]
  assert.deepStrictEqual([first.what, second.what], ['enterWith', 'run'])
  const line = new RegExp(`^ *at atStart \\(${app.file}:\\d+:\\d+\\)`)
  assert.match(second.stack, line)
  assert.strictEqual((await plimsoll.rates.next()).hasFrame, HAS_FRAME)
  assert.strictEqual(await app.next(), 'up')
})

test('what is paid is told after the first use, whenever that is', async (t) => {
  const running = await start(t, CLASS + 'setTimeout(() => { storage.run(1, () => {}); say(`used`) }, 20);')
  const { hasFrame, isOn } = await rate(running, () => true)
  assert.deepStrictEqual({ hasFrame, isOn }, { hasFrame: HAS_FRAME, isOn: !HAS_FRAME })
})

test('a hook is told with what it is called for, and how many resources it is told of', async (t) => {
  const running = await start(t, CLASS + `
    createHook({ init () {}, destroy () {} }).enable();`)
  const { what, callbacks, stack } = await running.plimsoll.authors.next()
  assert.deepStrictEqual([what, callbacks], ['hook', CALLBACK.INIT | CALLBACK.DESTROY])
  assert.match(stack.split('\n')[0], /app\.cjs/)
  const before = await rate(running, ({ isOn }) => isOn)
  const after = await rate(running, ({ resources }) => resources >= before.resources + 2000)
  assert.strictEqual(after.callbacks, CALLBACK.INIT | CALLBACK.DESTROY)
  assert.ok(after.activeUs > before.activeUs)
})

test('hooks of the app hear of the end of what is made to measure', async (t) => {
  const running = await start(t, CLASS + `
    const ours = new Set();
    let made = 0;
    createHook({
      init (id, type) { if (type === 'PLIMSOLL') ours.add(id), made++; },
      destroy (id) { ours.delete(id); }
    }).enable();
    process.stdin.on('data', () => setImmediate(() => say([made, ours.size])));`)
  assert.strictEqual(await running.app.next(), 'up')
  let made = 0
  let left = 0
  while (made < 6) {
    await running.ask()
    running.app.poke()
    ;[made, left] = await running.app.next()
  }
  // What was made in the same turn of the loop may still be there.
  assert.ok(left <= 2, `${left} of ${made}`)
})

test('AsyncLocalStorage costs promises something before Node 24, and nothing from then on', async (t) => {
  const running = await start(t, CLASS + 'storage.enterWith(1);')
  const { isOn, callbacks } = await running.plimsoll.rates.next()
  assert.deepStrictEqual({ isOn, callbacks }, { isOn: !HAS_FRAME, callbacks: 0 })
})

test('hooks that are disabled again are not paid any more', async (t) => {
  const running = await start(t, CLASS + `
    const hook = createHook({ init () {} }).enable();
    setTimeout(() => { hook.disable(); say('disabled') }, 1);`)
  assert.strictEqual((await running.plimsoll.authors.next()).what, 'hook')
  await rate(running, ({ isOn, callbacks }) => !isOn && callbacks === 0)
})

test('who never asks pays nothing and nothing is told', async (t) => {
  const running = await start(t, '')
  for (let times = 0; times < 3; times++) await running.ask()
  const { authors, rates } = running.plimsoll
  const nothing = await Promise.race([authors.next(), rates.next(), running.ask().then(() => 'nothing')].map((one) => one.catch(() => {})))
  assert.strictEqual(nothing, 'nothing')
})

test('what is wrapped looks like Node\'s own, and is unwrapped after the first use', async (t) => {
  const { app } = await start(t, CLASS + `
    const look = (object, name) => {
      const { value, ...rest } = Object.getOwnPropertyDescriptor(object, name);
      return { ...rest, name: value.name, length: value.length, keys: Reflect.ownKeys(value) };
    };
    const hook = Object.getPrototypeOf(createHook({}));
    const all = [[AsyncLocalStorage.prototype, 'run'], [AsyncLocalStorage.prototype, 'enterWith'], [hook, 'enable'], [hook, 'disable']];
    say(all.map((one) => look(...one)));
    class Mine extends AsyncLocalStorage { run (...args) { return super.run(...args); } }
    const mine = new Mine();
    say([mine.run('x', (a) => [mine.getStore(), a], 7), mine instanceof AsyncLocalStorage]);
    try { storage.run(1, () => { throw new Error('passes') }) } catch (error) { say([error.message]) }
    say([/isSeen/.test(AsyncLocalStorage.prototype.run), /isSeen/.test(AsyncLocalStorage.prototype.enterWith)]);`)
  const [run, enterWith, enable, disable] = await app.next()
  const method = (name, length) => ({ writable: true, enumerable: false, configurable: true, name, length })
  const shape = ({ keys, ...rest }) => rest
  assert.deepStrictEqual([run, enterWith, enable, disable].map(shape), [
    method('run', 2), method('enterWith', 1), method('enable', 0), method('disable', 0)
  ])
  assert.deepStrictEqual(await app.next(), [['x', 7], true])
  assert.deepStrictEqual(await app.next(), ['passes'])
  // From Node 24 on `run` is made of `enterWith`.
  assert.deepStrictEqual(await app.next(), [false, !HAS_FRAME])
})
