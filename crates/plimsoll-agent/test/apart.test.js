'use strict'
// What the agent does by itself is none of the app's: not its timers, and not the async context in which it happens to begin.
const assert = require('node:assert')
const { AsyncLocalStorage } = require('node:async_hooks')
const { test } = require('node:test')
const { outside, setTimeout } = require('../js/apart.js')
const { Call } = require('../js/call.js')
const { open } = require('../js/origins.js')
const wire = require('../js/wire.js')
const { ask, start } = require('./support/caller.js')

// As zone.js and fake timers do it, after the agent was loaded and before anything is called. `used`: by whom but the app.
const OTHERS = `
  const timers = require('node:timers')
  const used = []
  const replace = (object, name, other) => {
    object[name] = function (...args) {
      const caller = new Error().stack.split('\\n')[2]
      if (!/node:|app\\.cjs/.test(caller)) used.push(name + caller)
      return other(...args)
    }
  }
  const never = () => ({ ref () { return this }, unref () { return this } })
  const { nextTick } = process
  replace(process, 'nextTick', nextTick)
  replace(globalThis, 'queueMicrotask', globalThis.queueMicrotask)
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval']) {
    replace(timers, name, never)
    replace(globalThis, name, never)
  }
  const { performance } = globalThis
  Object.defineProperty(globalThis, 'performance', { value: { ...performance, now: () => 0 }, configurable: true })
`

test('timers that the app has put in the place of Node\'s are not used', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, `
    if (letter === 'u') return say(used)
    said(call('/', { timeout: 60000 }))
  `, { before: OTHERS })
  app.poke('ccc')
  await ask(plimsoll, ({ wants }) => wants === 3)
  limit({ concurrency: 2, rate: 100, burst: 1, adaptive: 1, breaker: wire.CALLS.WATCHED.ENFORCE })
  grant(2)
  grant(100, 'rate')
  for (let call = 0; call < 3; call++) {
    await service.arrived.next()
    service.answer('no', 500)
    assert.deepStrictEqual(await app.next(), { value: 500 })
  }
  assert.strictEqual((await plimsoll.outcomes.next()).failed > 0, true)
  for (;;) {
    const { calls } = await plimsoll.figures.next()
    if (calls === 3) break
  }
  assert.ok((await plimsoll.samples.next()).tookUs.every((us) => us > 0))
  app.poke('u')
  assert.deepStrictEqual(await app.next(), [])
})

test('a call that waited goes on in the async context in which it was made', async (t) => {
  const { plimsoll, service, app, limit, grant, breaker } = await start(t, `
    storage.run(letter, () => http.get(URL_OF, (response) => {
      say(['answered', letter, storage.getStore()])
      response.resume()
    }).on('error', () => say(['failed', letter, storage.getStore()])))
  `, { before: `
    const { AsyncLocalStorage } = require('node:async_hooks')
    const storage = new AsyncLocalStorage()
  ` })
  app.poke('123')
  await ask(plimsoll, ({ wants }) => wants === 3)
  limit({ concurrency: 1, breaker: wire.CALLS.WATCHED.ENFORCE })
  grant(1)
  for (const letter of ['1', '2']) {
    await service.arrived.next()
    service.answer()
    assert.deepStrictEqual(await app.next(), ['answered', letter, letter])
  }
  app.poke('4')
  await service.arrived.next()
  await ask(plimsoll, ({ wants }) => wants === 2)
  breaker('open', 60_000, 'why')
  assert.deepStrictEqual(await app.next(), ['failed', '4', '4'])
  service.answer()
  assert.deepStrictEqual(await app.next(), ['answered', '3', '3'])
})

test('a timer of ours keeps nothing that the app has stored for a request', async (t) => {
  const storage = new AsyncLocalStorage()
  // They keep no process alive.
  const alive = setInterval(() => {}, 60_000)
  t.after(() => clearInterval(alive))
  const stored = (begin) => new Promise((resolve) => storage.run('a request', begin, () => resolve(storage.getStore())))
  assert.strictEqual(await stored((done) => outside(() => setTimeout(done, 1))), undefined)
  const told = await stored((done) => {
    const origins = open((bytes) => { if (wire.read(bytes).kind === wire.kinds.CALLS) done() }, false)
    const origin = origins.of('http:', 'a', 80)
    origin.begin(new Call(origin, null), 0)
    origins.awake()
  })
  assert.strictEqual(told, undefined)
})
