'use strict'
// A circuit breaker as the worker sees it, and a budget for what is made again.
const assert = require('node:assert')
const { test } = require('node:test')
const { Call, GIVEN_UP } = require('../js/call.js')
const { Group } = require('../js/fan_out.js')
const { Origin } = require('../js/origin.js')
const { WATCHED } = require('../js/wire.js').CALLS
const { start } = require('./support/caller.js')

const { ENFORCE } = WATCHED
const LONG_MS = 60_000

/** Asks until one fits. */
async function until (queue, fits) {
  for (;;) {
    const one = await queue.next()
    if (fits(one)) return one
  }
}

test('failures are told at once, and while the breaker is open no call goes out', async (t) => {
  const { plimsoll, service, app, limit, breaker } = await start(t, `
    if (letter === 'h') said(call())
    if (letter === 'f') said(fetch(URL_OF).then((response) => response.status))
  `)
  app.poke('h')
  await plimsoll.origins.next()
  limit({ breaker: ENFORCE })
  await service.arrived.next()
  service.answer('no', 503)
  assert.deepStrictEqual(await app.next(), { value: 503 })
  const { okAgoMs, ...told } = await plimsoll.outcomes.next()
  assert.deepStrictEqual(told, { calls: 1, failed: 1, gateway: 1, run: 1, gatewayRun: 1 })
  breaker('open', LONG_MS, '5 calls in a row failed')
  // The order and the poke come by different ways: until the order has come, calls go out.
  for (;;) {
    app.poke('h')
    const arrived = service.arrived.next().then(() => service.answer())
    const { code, message } = await Promise.race([app.next(), arrived.then(() => app.next())])
    if (code === undefined) continue
    assert.strictEqual(code, 'EPLIMSOLL_BREAKER')
    assert.match(message, /^a call to http:.* was not made: the circuit breaker is open \(5 calls in a row failed\), and the next is tried in \d+ ms$/)
    break
  }
  const before = service.total
  app.poke('f')
  const fetched = await app.next()
  assert.deepStrictEqual([fetched.name, fetched.cause], ['TypeError', 'EPLIMSOLL_BREAKER'])
  assert.strictEqual(service.total, before)
  const { broken } = await until(plimsoll.figures, ({ broken }) => broken === 2)
  assert.strictEqual(broken, 2)
})

test('one call is tried when the time is over, the others are refused until it is known how it went', async (t) => {
  const { plimsoll, service, app, limit, breaker } = await start(t, 'said(call())')
  breaker('open', 0, 'why')
  app.poke('1')
  await plimsoll.origins.next()
  // A process that is new is told of the breaker first.
  breaker('open', 0, 'why')
  limit({ breaker: ENFORCE })
  assert.strictEqual((await app.next()).code, 'EPLIMSOLL_BREAKER')
  app.poke('2')
  assert.strictEqual(await plimsoll.probes.next(), 'asked')
  app.poke('3')
  assert.match((await app.next()).message, /one is being tried$/)
  assert.strictEqual(service.total, 0)
  breaker('probe')
  await service.arrived.next()
  service.answer()
  assert.deepStrictEqual(await app.next(), { value: 200 })
  assert.strictEqual(await plimsoll.probes.next(), 'answered')
  breaker('closed')
  for (;;) {
    app.poke('4')
    const arrived = service.arrived.next().then(() => service.answer())
    const { value } = await Promise.race([app.next(), arrived.then(() => app.next())])
    if (value === 200) return
  }
})

test('a call that the app gives up is no failure of the service', async (t) => {
  const { plimsoll, service, app, limit } = await start(t, `
    const abort = new AbortController()
    if (letter === 'd') said(call('/', { made: (request) => setTimeout(() => request.destroy(), 30) }))
    if (letter === 's') { said(call('/', { signal: abort.signal })); setTimeout(() => abort.abort(), 30) }
    if (letter === 'f') { said(fetch(URL_OF, { signal: abort.signal })); setTimeout(() => abort.abort(), 30) }
    if (letter === 'o') { said(fetch(URL_OF, { signal: abort.signal })); setTimeout(() => abort.abort(new Error('own')), 30) }
    if (letter === 't') said(call('/', { signal: AbortSignal.timeout(30) }))
    if (letter === 'u') said(fetch(URL_OF, { signal: AbortSignal.timeout(30) }))
    if (letter === 'q') said(call('/', { timeout: 30, made: (request) => request.on('timeout', () => request.destroy()) }))
    if (letter === 'x') said(call())
    if (letter === 'l') said(call('/last'))
  `)
  app.poke('x')
  await plimsoll.origins.next()
  limit({ breaker: ENFORCE })
  await service.arrived.next()
  service.answer()
  await app.next()
  for (const letter of 'dsfo') {
    app.poke(letter)
    await app.next()
  }
  // The app's own limit of time is the service's failure, and so is a connection that breaks.
  for (const letter of 'tuq') {
    app.poke(letter)
    await app.next()
  }
  let told = { calls: 0, failed: 0, gateway: 0 }
  while (told.failed < 3) {
    const one = await plimsoll.outcomes.next()
    told = { calls: told.calls + one.calls, failed: told.failed + one.failed, gateway: told.gateway + one.gateway }
  }
  assert.deepStrictEqual(told, { calls: 4, failed: 3, gateway: 3 })
  app.poke('l')
  await until(service.arrived, (url) => url === '/last')
  service.open.find(({ request }) => request.url === '/last').request.socket.destroy()
  assert.strictEqual((await app.next()).code, 'ECONNRESET')
  assert.strictEqual((await until(plimsoll.outcomes, ({ failed }) => failed > 0)).failed, 1)
  const { given_up: givenUp, timeouts } = await until(plimsoll.figures, ({ errors }) => errors === 8)
  assert.deepStrictEqual({ givenUp, timeouts }, { givenUp: 4, timeouts: 3 })
})

/** A call that does nothing, and what became of it. */
class Fake extends Call {
  constructor (origin, group, path) {
    super(origin, group)
    this.path = path
    this.became = 'none'
  }

  what () { return this.path }
  start () { this.became = 'started' }
  refuse ({ code }) { this.became = code }
}

const LIMIT = {
  enforce: true,
  concurrency: 0,
  rate: 0,
  burst: 0,
  queue: 10,
  queueTimeoutMs: LONG_MS,
  perRequest: 0,
  adaptive: false,
  breaker: WATCHED.OFF,
  retryPercent: 0,
  retryLeast: 0
}

function originOf (limit) {
  const said = []
  const say = new Proxy({}, { get: (_, name) => (...fields) => said.push([name, ...fields.slice(1)]) })
  const origin = new Origin(0, 'http://a', say, false)
  origin.setLimit({ ...LIMIT, ...limit }, 0)
  return { origin, said }
}

const groupOf = () => new Group({ slot: 0, word: 0 })

test('what waits when the breaker opens is refused, also what waits for others of its request', () => {
  const { origin } = originOf({ perRequest: 1, breaker: ENFORCE })
  const group = groupOf()
  const calls = [1, 2, 3].map((path) => new Fake(origin, group, path))
  for (const call of calls) origin.begin(call, 0)
  origin.hearBreaker({ state: 'open', forMs: 1000, why: 'x' }, 1)
  assert.deepStrictEqual(calls.map(({ became }) => became), ['started', 'none', 'none'])
  origin.end(calls[0], 2, 200)
  assert.deepStrictEqual(calls.map(({ became }) => became), ['started', 'EPLIMSOLL_BREAKER', 'EPLIMSOLL_BREAKER'])
  assert.deepStrictEqual([origin.waiting, origin.inFlight, group.inFlight], [0, 0, 0])
})

test('of the requests whose calls are refused some are told, where it is known whose they are', () => {
  const { origin, said } = originOf({ breaker: ENFORCE })
  origin.hearBreaker({ state: 'open', forMs: LONG_MS, why: 'x' }, 0)
  const refuse = (group, now) => origin.begin(new Fake(origin, group, '/'), now)
  refuse(null, 0)
  refuse(groupOf(), 0)
  const [first, second] = [7, 8].map((slot) => new Group({ slot, word: 3 }))
  refuse(first, 1)
  // Within the same moment.
  refuse(second, 2)
  refuse(second, 60)
  assert.deepStrictEqual(said.filter(([name]) => name === 'broken'), [['broken', 6, 3], ['broken', 7, 3]])
})

test('a trial that is given up is handed on', () => {
  const { origin, said } = originOf({ breaker: ENFORCE })
  origin.hearBreaker({ state: 'open', forMs: 10, why: 'x' }, 0)
  const first = new Fake(origin, null, '/')
  origin.begin(first, 20)
  origin.leave(first)
  origin.hearBreaker({ state: 'probe' }, 21)
  origin.hearBreaker({ state: 'open', forMs: 0, why: 'x' }, 22)
  const second = new Fake(origin, null, '/')
  origin.begin(second, 23)
  origin.hearBreaker({ state: 'probe' }, 24)
  assert.strictEqual(second.became, 'started')
  origin.end(second, 25, 0, GIVEN_UP)
  const probes = said.filter(([name]) => name.startsWith('prob')).map(([name, what]) => what ?? name)
  assert.deepStrictEqual(probes, ['probe', 'nothing', 'nothing', 'probe', 'nothing'])
})

test('a trial that never ends is followed by another, and what comes of it late changes nothing', () => {
  const { origin, said } = originOf({ breaker: ENFORCE })
  origin.hearBreaker({ state: 'open', forMs: 10, why: 'x' }, 0)
  const make = (now) => {
    const call = new Fake(origin, null, '/')
    origin.begin(call, now)
    return call
  }
  const first = make(20)
  origin.hearBreaker({ state: 'probe' }, 120)
  assert.strictEqual(first.became, 'started')
  assert.strictEqual(make(10_119).became, 'EPLIMSOLL_BREAKER', 'the supervisor counts from when it heard')
  const second = make(10_120)
  assert.strictEqual(make(10_121).became, 'EPLIMSOLL_BREAKER')
  origin.end(first, 10_122, 0)
  origin.hearBreaker({ state: 'probe' }, 10_123)
  assert.strictEqual(second.became, 'started')
  assert.strictEqual(make(10_124).became, 'EPLIMSOLL_BREAKER')
  origin.end(second, 10_125, 200)
  const probes = said.filter(([name]) => name.startsWith('prob')).map(([name, what]) => what ?? name)
  assert.deepStrictEqual(probes, ['probe', 'probe', 'answered'])
  assert.deepStrictEqual([origin.inFlight, origin.waiting, origin.breaker.line.size], [0, 0, 0])
})

for (const [letter, library] of [['h', 'http'], ['f', 'fetch']]) {
  test(`${library}: a trial is answered when its answer begins, which may be one without end`, async (t) => {
    const { plimsoll, service, app, limit, breaker } = await start(t, `
      if (letter === 'h') http.get(URL_OF, (response) => response.resume()).on('error', () => {})
      if (letter === 'f') fetch(URL_OF).catch(() => {})
    `)
    app.poke(letter)
    await plimsoll.origins.next()
    breaker('open', 0, 'why')
    limit({ breaker: ENFORCE })
    // What waited when it opened was refused.
    await until(plimsoll.figures, ({ broken }) => broken === 1)
    app.poke(letter)
    assert.strictEqual(await plimsoll.probes.next(), 'asked')
    breaker('probe')
    await service.arrived.next()
    service.open[0].response.writeHead(200).write('on and on')
    assert.strictEqual(await plimsoll.probes.next(), 'answered')
    assert.strictEqual(service.open.length, 1)
  })
}

test('a trial that waits for its turn when the supervisor is gone is made', () => {
  const { origin } = originOf({ breaker: ENFORCE })
  origin.hearBreaker({ state: 'open', forMs: 0, why: 'x' }, 0)
  const call = new Fake(origin, null, '/')
  origin.begin(call, 1)
  assert.strictEqual(call.became, 'none')
  origin.free(2)
  assert.strictEqual(call.became, 'started')
})

test('of what a request makes again only so much is in flight', () => {
  const { origin } = originOf({ retryPercent: 20, retryLeast: 2 })
  const make = (group, path) => {
    const call = new Fake(origin, group, path)
    origin.begin(call, 0)
    return call
  }
  const group = groupOf()
  for (const status of [0, 503, 429]) origin.end(make(group, `/${status}`), 1, status)
  origin.end(make(group, '/404'), 1, 404)
  origin.end(make(group, '/aborted'), 1, 0, GIVEN_UP)
  // First attempts, of this request and another, and two that were answered.
  const first = ['/404', '/aborted', '/new'].map((path) => make(group, path)).concat(make(groupOf(), '/503'), make(null, '/503'))
  const again = ['/0', '/503', '/429'].map((path) => make(group, path))
  assert.deepStrictEqual(first.map(({ became }) => became), new Array(5).fill('started'))
  assert.deepStrictEqual(again.map(({ became }) => became), ['started', 'started', 'EPLIMSOLL_RETRY'])
  origin.end(again[0], 2, 200)
  assert.strictEqual(make(group, '/0').isRetry, false, 'it was answered')
  assert.strictEqual(make(group, '/429').became, 'started')
  // A fifth of what is in flight is more.
  for (let call = 0; call < 20; call++) make(null, '/more')
  assert.strictEqual(make(group, '/503').became, 'started')
  const { seen } = origin
  assert.deepStrictEqual([seen.retries, seen.retries_refused, origin.retries], [5, 1, 3])
})

test('where retries are only seen none is refused', () => {
  const { origin } = originOf({ enforce: false, retryPercent: 20, retryLeast: 0 })
  const group = groupOf()
  for (let attempt = 0; attempt < 5; attempt++) {
    const call = new Fake(origin, group, '/')
    origin.begin(call, 0)
    assert.strictEqual(call.became, 'started')
    origin.end(call, 1, 500)
  }
  assert.deepStrictEqual([origin.seen.retries, origin.seen.retries_refused, origin.retries], [4, 0, 0])
})
