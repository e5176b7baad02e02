'use strict'
// The calls that an app makes: seen by origin, and made to wait for what the supervisor lends.
const assert = require('node:assert')
const { EventEmitter } = require('node:events')
const path = require('node:path')
const { test } = require('node:test')
const { watchClass } = require('../js/calls_undici.js')
const { Origin } = require('../js/origin.js')
const wire = require('../js/wire.js')
const { ask, start } = require('./support/caller.js')

const LONG_MS = 60_000
const MODULES = JSON.stringify(path.join(__dirname, 'node_modules'))

test('the first call waits until it is known what holds, and then for what is lent', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, 'said(call())')
  app.poke('123')
  assert.deepStrictEqual(await plimsoll.origins.next(), { origin: 0, name: service.url })
  const { wants, held, serial } = await ask(plimsoll, ({ wants }) => wants === 3)
  assert.deepStrictEqual([wants, held, serial], [3, 0, 0])
  assert.strictEqual(service.total, 0)
  limit({ concurrency: 5 })
  grant(2)
  await service.arrived.next()
  await service.arrived.next()
  service.answer()
  assert.deepStrictEqual(await app.next(), { value: 200 })
  await service.arrived.next()
  assert.strictEqual(service.peak, 2)
})

test('what is lent is given back as calls end, and each end is told', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, 'said(call())')
  app.poke('1234')
  await plimsoll.origins.next()
  limit({ concurrency: 5 })
  await ask(plimsoll, ({ wants }) => wants === 4)
  grant(3)
  for (let call = 0; call < 3; call++) await service.arrived.next()
  grant(1)
  assert.strictEqual((await ask(plimsoll, ({ serial }) => serial === 2)).held, 3)
  service.answer()
  await ask(plimsoll, ({ serial, held }) => serial === 2 && held === 2)
  service.answer()
  await ask(plimsoll, ({ serial, held }) => serial === 2 && held === 1)
  assert.strictEqual(service.total, 3, 'one is still in flight')
  service.answer()
  await service.arrived.next()
})

test('a call that waited too long, or finds the queue full, fails as calls fail', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, `
    if (letter === 'h') said(call())
    if (letter === 'f') said(fetch(URL_OF))
    if (letter === 's') call()
  `)
  app.poke('s')
  await plimsoll.origins.next()
  limit({ concurrency: 1, queue: 1, timeoutMs: 50 })
  grant(1)
  await service.arrived.next()
  app.poke('h')
  const late = await app.next()
  assert.strictEqual(late.code, 'EPLIMSOLL_QUEUE')
  assert.match(late.message, /^a call to http:\/\/127\.0\.0\.1:\d+ was not made: it waited \d+ ms in the queue, and the limit is 1 calls in flight$/)
  app.poke('f')
  const fetched = await app.next()
  assert.deepStrictEqual([fetched.name, fetched.cause], ['TypeError', 'EPLIMSOLL_QUEUE'])
  limit({ concurrency: 1, queue: 0 })
  app.poke('h')
  assert.match((await app.next()).message, /its queue of 0 was full/)
})

test('a waiting call leaves when the app gives it up', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, `
    const signal = () => AbortSignal.timeout(30)
    if (letter === 's') said(call('/first'))
    if (letter === 'd') said(call('/', { made: (request) => setTimeout(() => request.destroy(), 20) }))
    if (letter === 'e') said(call('/', { made: (request) => setTimeout(() => request.destroy(new Error('own')), 20) }))
    if (letter === 'a') said(call('/', { signal: signal() }))
    if (letter === 't') said(call('/', { timeout: 20, made: (request) => request.on('timeout', () => request.destroy(new Error('late'))) }))
    if (letter === 'u') said(call('/', { made: (request) => request.setTimeout(20, () => request.destroy(new Error('late'))) }))
    if (letter === 'f') said(fetch(URL_OF, { signal: signal() }))
    if (letter === 'l') said(call('/last'))
  `)
  app.poke('s')
  await plimsoll.asks.next()
  limit({ concurrency: 1 })
  grant(1)
  assert.strictEqual(await service.arrived.next(), '/first')
  const expected = { d: 'socket hang up', e: 'own', a: 'The operation was aborted', t: 'late', u: 'late', f: 'The operation was aborted due to timeout' }
  for (const [letter, message] of Object.entries(expected)) {
    app.poke(letter)
    assert.ok((await app.next()).message.startsWith(message), letter)
  }
  app.poke('l')
  service.answer()
  assert.strictEqual(await service.arrived.next(), '/last')
  assert.strictEqual(service.total, 2)
})

test('what is only observed does not wait, and it is computed what would have', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, 'said(call())', { hold: false })
  app.poke('1')
  await service.arrived.next()
  limit({ concurrency: 2, enforce: 0, timeoutMs: LONG_MS })
  await plimsoll.asks.next()
  grant(2)
  service.answer()
  await app.next()
  await ask(plimsoll, ({ serial, wants }) => serial === 1 && wants === 0)
  app.poke('12345')
  for (let call = 0; call < 5; call++) await service.arrived.next()
  assert.strictEqual(service.peak, 5)
  for (let call = 0; call < 5; call++) {
    service.answer()
    await app.next()
  }
  for (;;) {
    const told = await plimsoll.figures.next()
    if (told.in_flight > 0 || told.calls < 6) continue
    assert.ok(told.would_queue >= 2 && told.would_wait_ms > 0, JSON.stringify(told))
    return
  }
})

test('where the limit is found out it is told how long calls take, without their wait', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, 'said(call())')
  app.poke('1')
  await plimsoll.origins.next()
  limit({ concurrency: 200, adaptive: 1 })
  await ask(plimsoll, ({ wants }) => wants === 1)
  // The wait, which is longer than the way of a message.
  await new Promise((resolve) => setTimeout(resolve, 300))
  const granted = performance.now()
  grant(1)
  await service.arrived.next()
  service.answer()
  await app.next()
  for (;;) {
    const { peak, tookUs } = await plimsoll.samples.next()
    if (tookUs.length === 0) continue
    assert.strictEqual(peak, 1)
    // It went out after the grant, so that it cannot have taken longer.
    const sinceUs = (performance.now() - granted) * 1000
    assert.ok(tookUs.length === 1 && tookUs[0] <= sinceUs, `${tookUs} µs, and the grant was ${sinceUs} µs ago`)
    return
  }
})

test('streams of http2 are counted by origin, whoever connects, and do not wait', async (t) => {
  const http2 = require('node:http2')
  const server = http2.createServer((request, response) => { response.writeHead(request.url === '/bad' ? 500 : 200); response.end('ok') })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${server.address().port}`
  const { plimsoll, app, limit } = await start(t, `
    const { connect } = require('node:http2')
    const session = connect('${origin}')
    const ask = (path) => new Promise((resolve, reject) => {
      session.request({ ':path': path }).on('close', resolve).on('error', reject).resume()
    })
    said(Promise.all([ask('/'), ask('/bad'), ask('/')]).then(() => session.close()))
  `, { before: "require('node:http2');" })
  app.poke('1')
  assert.deepStrictEqual(await plimsoll.origins.next(), { origin: 0, name: origin })
  limit({ concurrency: 1 })
  await app.next()
  for (;;) {
    const { calls, failed, sessions, unlimited, in_flight: inFlight, queued } = await plimsoll.figures.next()
    if (calls < 3) continue
    assert.deepStrictEqual([calls, failed, sessions, unlimited, inFlight, queued], [3, 1, 1, 3, 0, 0])
    return
  }
})

test('without a supervisor nothing waits', async (t) => {
  const { plimsoll, service, app, limit } = await start(t, "process.on('SIGTERM', () => {}); said(call())")
  app.poke('12')
  await plimsoll.asks.next()
  limit({ concurrency: 1 })
  plimsoll.die()
  await service.arrived.next()
  await service.arrived.next()
})

test('undici from npm is held also where Node has loaded its own for something else', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, `
    module.paths.push(${MODULES})
    // As axios does.
    void globalThis.Response
    said(require('undici').request(URL_OF).then(({ body }) => body.text()))
  `)
  app.poke('1')
  const arrived = service.arrived.next()
  assert.strictEqual(await Promise.race([plimsoll.origins.next().then(() => 'held'), arrived]), 'held')
  limit({ concurrency: 1 })
  grant(1)
  await arrived
  service.answer()
  assert.deepStrictEqual(await app.next(), { value: 'ok' })
})

test('a rate is kept, and one of its calls begins at once', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, 'said(call())')
  app.poke('123')
  await plimsoll.origins.next()
  limit({ rate: 5, burst: 1 })
  await ask(plimsoll, ({ budget, wants }) => budget === 'rate' && wants > 0)
  grant(5, 'rate')
  for (let call = 0; call < 3; call++) await service.arrived.next()
  const [first, , third] = service.open.map(({ at }) => at)
  assert.ok(third - first >= 200, `${third - first} ms for two more calls at 5/s`)
})

/** `ask(module)` by an agent of agent-base, which says whether it has to encrypt. It never does: the service is a plain one. */
const asks = (agentBase) => `
  module.paths.push(${MODULES})
  const https = require('node:https')
  const { Agent } = require('${agentBase}')
  class Plain extends Agent {
    async connect (request, options) {
      say({ secure: options.secureEndpoint })
      return net.connect(options.port, options.host)
    }
  }
  const agent = new Plain()
  const ask = (module) => new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(URL_OF)
    module.get({ host, port, agent }, (response) => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject)
  })
`

// 7.0 and 7.1 look into the stack in different places.
for (const agentBase of ['agent-base', 'agent-base-7.0']) {
  const source = "if (letter === 's') said(ask(https)); else said(ask(http))"

  test(`${agentBase}: a call by https is encrypted, and one by http is not`, async (t) => {
    const { plimsoll, service, app } = await start(t, source, { hold: false, before: asks(agentBase) })
    for (const [letter, scheme] of [['s', 'https:'], ['p', 'http:']]) {
      app.poke(letter)
      assert.deepStrictEqual(await app.next(), { secure: scheme === 'https:' })
      assert.strictEqual((await plimsoll.origins.next()).name, service.url.replace('http:', scheme))
      await service.arrived.next()
      service.answer()
      assert.deepStrictEqual(await app.next(), { value: 200 })
    }
  })

  test(`${agentBase}: a call by https is encrypted also where it has waited`, async (t) => {
    const { plimsoll, service, app, limit, grant } = await start(t, source, { before: asks(agentBase) })
    app.poke('ss')
    await ask(plimsoll, ({ wants }) => wants === 2)
    limit({ concurrency: 1 })
    grant(1)
    for (let call = 0; call < 2; call++) {
      assert.deepStrictEqual(await app.next(), { secure: true })
      await service.arrived.next()
      service.answer()
      assert.deepStrictEqual(await app.next(), { value: 200 })
    }
  })
}

test('a request that one agent hands on to another is one call', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, 'said(call("/", { agent }))', { before: `
    module.paths.push(${MODULES})
    const { Agent } = require('agent-base')
    class HandsOn extends Agent { async connect () { return http.globalAgent } }
    const agent = new HandsOn()
  ` })
  app.poke('12')
  await ask(plimsoll, ({ wants }) => wants === 2)
  limit({ concurrency: 1 })
  grant(1)
  for (let call = 0; call < 2; call++) {
    await service.arrived.next()
    service.answer()
    assert.deepStrictEqual(await app.next(), { value: 200 })
  }
  const { calls, in_flight: inFlight, waiting } = await figures(plimsoll, 2)
  assert.deepStrictEqual([calls, inFlight, waiting], [2, 0, 0])
})

/** Those in which so many calls are counted. */
async function figures (plimsoll, calls) {
  for (;;) {
    const told = await plimsoll.figures.next()
    if (told.calls >= calls) return told
  }
}

const FAILS = `
  const agent = new http.Agent()
  agent.createConnection = () => { throw new Error('own') }
`

test('a call that fails as it begins after a wait fails for the app, and the others go on', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, "said(call('/', letter === 'f' ? { agent } : {}))", { before: FAILS })
  app.poke('ffgf')
  await ask(plimsoll, ({ wants }) => wants === 4)
  limit({ concurrency: 1 })
  grant(1)
  for (let call = 0; call < 2; call++) assert.strictEqual((await app.next()).message, 'own')
  await service.arrived.next()
  service.answer()
  const rest = [await app.next(), await app.next()]
  assert.deepStrictEqual(rest.map(({ value, message }) => value ?? message).sort(), [200, 'own'])
  const { calls, errors, in_flight: inFlight, waiting } = await figures(plimsoll, 4)
  assert.deepStrictEqual([calls, errors, inFlight, waiting], [4, 3, 0, 0])
})

test('a call that fails as it begins at once throws where it is made, and holds nothing', async (t) => {
  const { plimsoll, service, app, limit, grant } = await start(t, `
    if (letter === 'g') return said(call())
    try { http.get(URL_OF, { agent }) } catch ({ message }) { say({ message }) }
  `, { before: FAILS })
  app.poke('g')
  await plimsoll.origins.next()
  limit({ concurrency: 1 })
  grant(1)
  for (let call = 0; call < 2; call++) {
    await service.arrived.next()
    service.answer()
    assert.deepStrictEqual(await app.next(), { value: 200 })
    app.poke('f')
    assert.deepStrictEqual(await app.next(), { message: 'own' })
    if (call === 0) app.poke('g')
  }
  const { calls, errors, in_flight: inFlight } = await figures(plimsoll, 4)
  assert.deepStrictEqual([calls, errors, inFlight], [4, 2, 0])
})

test('an error of the app that is thrown as its call is refused is the app’s, and the others go on', async (t) => {
  const { plimsoll, service, app, limit, grant, breaker } = await start(t, `
    if (letter === 'g') return said(call())
    undici.getGlobalDispatcher().dispatch({ origin: URL_OF, path: '/', method: 'GET' }, {
      onConnect () {}, onHeaders () {}, onData () {}, onComplete () {}, onError () { throw new Error('own') }
    })
  `, { before: `
    module.paths.push(${MODULES})
    const undici = require('undici')
    process.on('uncaughtException', ({ message }) => say({ message }))
  ` })
  app.poke('tg')
  await ask(plimsoll, ({ wants }) => wants === 2)
  breaker('open', LONG_MS, 'why')
  const failed = [await app.next(), await app.next()]
  assert.deepStrictEqual(failed.map(({ code, message }) => code ?? message).sort(), ['EPLIMSOLL_BREAKER', 'own'])
  breaker('closed')
  limit({ concurrency: 1 })
  grant(1)
  app.poke('g')
  await service.arrived.next()
})

test('a call for which no limit is known yet keeps the process alive, and no longer', async (t) => {
  const source = `
    server.close()
    process.stdin.destroy()
    const made = (request) => letter === 'g' && setTimeout(() => request.destroy(), 20)
    said(call('/', { made }))
  `
  const waits = await start(t, source)
  waits.app.poke('w')
  await waits.plimsoll.origins.next()
  // Long enough for a process that has nothing to do to end.
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.strictEqual(waits.app.process.exitCode, null, waits.app.errors)
  waits.limit()
  await waits.service.arrived.next()
  waits.service.answer()
  assert.deepStrictEqual(await waits.app.next(), { value: 200 })
  assert.deepStrictEqual(await waits.app.exited, { code: 0, signal: null })
  const givesUp = await start(t, source)
  givesUp.app.poke('g')
  assert.strictEqual((await givesUp.app.next()).message, 'socket hang up')
  assert.deepStrictEqual(await givesUp.app.exited, { code: 0, signal: null })
})

const HANDLERS = {
  'up to 7': ['onConnect', 'onBodySent', 'onRequestSent', 'onResponseStarted', 'onHeaders', 'onData', 'onComplete'],
  'from 7 on': ['onRequestStart', 'onBodySent', 'onRequestSent', 'onResponseStarted', 'onResponseStart', 'onResponseData', 'onResponseEnd']
}

for (const [which, methods] of Object.entries(HANDLERS)) {
  test(`a handler of undici ${which} is told all that it was told without us`, () => {
    const told = []
    class Dispatcher extends EventEmitter {
      dispatch (options, handler) {
        for (const method of methods) handler[method]?.()
        return true
      }
    }
    const say = new Proxy({}, { get: () => () => {} })
    watchClass(Dispatcher.prototype, () => ({ of: () => new Origin(0, 'http://a', say, false), awake () {} }))
    const handler = Object.fromEntries(methods.map((method) => [method, () => told.push(method)]))
    new Dispatcher().dispatch({ origin: 'http://a', path: '/', method: 'GET' }, handler)
    assert.deepStrictEqual(told, methods)
  })
}

test('an app that makes no call loads and says nothing', async (t) => {
  const { plimsoll, app } = await start(t, "say(Object.keys(require.cache).filter((path) => /origin|calls_/.test(path)))")
  app.poke('1')
  assert.deepStrictEqual(await app.next(), [])
  assert.strictEqual(plimsoll.origins.length, 0)
})
