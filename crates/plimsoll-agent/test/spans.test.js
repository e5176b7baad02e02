'use strict'
// What traced requests wait for: told where it is certain whose it is, and passed on to whom is called.
const assert = require('node:assert')
const { join } = require('node:path')
const { test } = require('node:test')
const wire = require('../js/wire.js')
const { App, downstream, link, PEER, supervisor } = require('./support/index.js')

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const MAJOR = Number(process.versions.node.split('.')[0])
const LONG_MS = 60_000

let slots = 0

/** An app that calls a service for each request: at once, or `later`; the answer is the status of that. */
async function start (t, { propagates = true, toldFromMs = LONG_MS, before = '' } = {}) {
  const plimsoll = await supervisor(t)
  plimsoll.watch = { hold: false }
  plimsoll.watchPools = { hold: false }
  plimsoll.watchSpans = { propagates, toldFromMs }
  const service = await downstream(t)
  const app = new App(t, plimsoll, `${before}
    const call = (path, options = {}) => new Promise((resolve) => {
      const request = http.get(${JSON.stringify(service.url)} + path, options, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      request.on('error', (error) => resolve(error.code))
    })
    const late = (headers) => new Promise((resolve) => {
      const request = http.request(${JSON.stringify(service.url)} + '/a', { setHost: false }, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      for (const [name, value] of Object.entries(headers)) request.setHeader(name, value)
      request.end()
    })
    http.createServer(async (request, response) => {
      if (request.url === '/later') await new Promise((resolve) => setImmediate(resolve))
      let how
      if (request.url === '/exit') process.exit()
      if (request.url === '/fetch') how = (await fetch(${JSON.stringify(service.url)} + '/a?b=c', { headers: { x: 'y' } })).status
      else if (request.url === '/own') how = await call('/a', { headers: { TraceParent: 'own' } })
      else if (request.url === '/late') how = await late({ Host: 'service' })
      else if (request.url === '/late-own') how = await late({ Host: 'service', TraceParent: 'own' })
      else if (request.url === '/none') how = 0
      else how = await call('/a?secret=1')
      response.end(String(how))
    }).listen(3000, () => say('up'))
  `)
  assert.strictEqual(await app.next(), 'up')
  const { path } = await plimsoll.listens.next()
  return { plimsoll, service, app, path }
}

/** A request as the gateway sends it, on a link of its own. */
function ask (t, { plimsoll, path }, target, flags = '01', more = []) {
  const slot = slots++
  plimsoll.page.send(slot)
  const headers = ['Host: test', ...more, ...(flags === null ? [] : [`traceparent: 00-${TRACE}-${SPAN}-${flags}`])]
  const one = link(t, path)
  return one.request({ head: `GET ${target} HTTP/1.1`, headers, peer: `${PEER} ${slot}`, body: '\r\n' })
}

/** Answers what has arrived; gives the `traceparent` with which it came. */
async function answer (service, status = 200) {
  await service.arrived.next()
  const { traceparent } = service.open[0].request.headers
  service.answer('ok', status)
  return traceparent
}

test('a call of a traced request is told with its request, and tells whom it calls', async (t) => {
  const one = await start(t)
  // Whether fetch calls before or after an await is up to the version.
  for (const target of MAJOR < 24 ? ['/call'] : ['/call', '/fetch']) {
    const answered = ask(t, one, target)
    const traceparent = await answer(one.service)
    await answered
    const { id, startUs, tookUs, ...span } = await one.plimsoll.spans.next()
    assert.strictEqual(traceparent, `00-${TRACE}-${id}-01`)
    assert.match(id, /^[0-9a-f]{16}$/)
    assert.deepStrictEqual(span, { what: 'http', request: SPAN, to: one.service.url, method: 'GET', path: '/a', waitedUs: 0, status: 200, error: '' })
    assert.ok(tookUs > 0 && Math.abs(startUs / 1000 - Date.now()) < LONG_MS)
  }
})

test('a call that has no headers yet tells whom it calls, and what the app says later holds', async (t) => {
  const one = await start(t)
  for (const [target, own] of [['/late', undefined], ['/late-own', 'own']]) {
    const answered = ask(t, one, target)
    const traceparent = await answer(one.service)
    await answered
    const { id } = await one.plimsoll.spans.next()
    assert.strictEqual(traceparent, own ?? `00-${TRACE}-${id}-01`, target)
  }
})

test('after an await it is told where the request is known, and nothing is told elsewhere', async (t) => {
  const one = await start(t)
  const answered = ask(t, one, '/later')
  const traceparent = await answer(one.service)
  await answered
  if (MAJOR < 24) assert.strictEqual(traceparent, undefined)
  else assert.strictEqual((await one.plimsoll.spans.next()).id, traceparent.slice(36, 52))
})

test('a call of nobody is told where it failed, and of no request', async (t) => {
  const one = await start(t)
  const fails = async (target, flags) => {
    const answered = ask(t, one, target, flags)
    await answer(one.service, 503)
    await answered
  }
  // Whose it is is known, and he is not traced.
  await fails('/call', null)
  await fails('/later', '00')
  const { request, id, status } = await one.plimsoll.spans.next()
  assert.deepStrictEqual([request, status], [MAJOR < 24 ? '0'.repeat(16) : SPAN, 503])
  assert.notStrictEqual(id, '0'.repeat(16))
})

test('a stream of http2 is told with its request, and tells whom it calls', async (t) => {
  const http2 = require('node:http2')
  const server = http2.createServer()
  const seen = []
  server.on('stream', (stream, headers) => {
    seen.push(headers.traceparent)
    stream.on('error', () => {})
    if (headers[':path'].startsWith('/gone')) return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
    stream.respond({ ':status': 200 })
    stream.end('ok')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${server.address().port}`
  const one = await start(t, {
    before: `
      const session = require('node:http2').connect('${origin}')
      session.unref()
      const asks = http.createServer((request, response) => {
        const stream = session.request(request.url === '/none' ? undefined : { ':path': request.url, ':method': 'POST' })
        stream.on('error', () => {}).on('close', () => response.end('ok')).resume().end()
      })
      http.createServer = () => asks
    `
  })
  for (const [target, told] of [
    ['/a?b=c', { method: 'POST', path: '/a', status: 200, error: '' }],
    ['/none', { method: 'GET', path: '/', status: 200, error: '' }],
    ['/gone', { method: 'POST', path: '/gone', status: 0, error: 'failed' }]
  ]) {
    await ask(t, one, target)
    const { id, startUs, tookUs, waitedUs, ...span } = await one.plimsoll.spans.next()
    assert.deepStrictEqual(span, { what: 'http', request: SPAN, to: origin, ...told })
    assert.strictEqual(seen.shift(), `00-${TRACE}-${id}-01`)
  }
})

test('a wait for a connection is told where it was long, though nobody knows whose it was', async (t) => {
  const one = await start(t, {
    toldFromMs: 0,
    before: `
      module.paths.push(${JSON.stringify(join(__dirname, 'node_modules'))})
      const { createPool } = require('generic-pool')
      const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max: 1 })
      const take = async () => {
        const first = await pool.acquire()
        const second = pool.acquire()
        // So long that it is no chance.
        setTimeout(() => pool.release(first), 5)
        pool.release(await second)
      }
      // From the time on at which it is wanted.
      setInterval(take, 20)
    `
  })
  const { what, request, path, status } = await one.plimsoll.spans.next()
  assert.deepStrictEqual([what, request, path, status], ['pool', '0'.repeat(16), '', 0])
})

test('what the app itself says of its trace stays', async (t) => {
  const one = await start(t)
  const answered = ask(t, one, '/own')
  assert.strictEqual(await answer(one.service), 'own')
  await answered
  assert.strictEqual((await one.plimsoll.spans.next()).request, SPAN)
})

test('of a request that is not sampled only what failed or took long is told, and the trace goes on all the same', async (t) => {
  const one = await start(t)
  const fine = ask(t, one, '/call', '00')
  assert.strictEqual(await answer(one.service), `00-${TRACE}-${SPAN}-00`, 'as the span of a call that nobody may ever hear of')
  await fine
  const failed = ask(t, one, '/call', '00')
  await answer(one.service, 503)
  await failed
  const span = await one.plimsoll.spans.next()
  assert.deepStrictEqual([span.request, span.status], [SPAN, 503])
  assert.match(span.id, /^(?!0{16})[0-9a-f]{16}$/)
  assert.notStrictEqual(span.id, SPAN)
})

test('whom nobody traces is not told of', async (t) => {
  const one = await start(t)
  // The client's own is not the last header, and a last header that is no such thing is none.
  for (const [flags, more] of [[null, []], [null, [`traceparent: 00-${TRACE}-${SPAN}-01`, 'last: 1']], ['1', []]]) {
    const answered = ask(t, one, '/call', flags, more)
    assert.strictEqual(await answer(one.service), undefined)
    await answered
  }
  const traced = ask(t, one, '/call')
  await answer(one.service)
  await traced
  assert.strictEqual((await one.plimsoll.spans.next()).request, SPAN)
})

test('where nothing is to be passed on, calls are as the app makes them', async (t) => {
  const one = await start(t, { propagates: false })
  const answered = ask(t, one, '/call')
  assert.strictEqual(await answer(one.service), undefined)
  await answered
  assert.strictEqual((await one.plimsoll.spans.next()).status, 200)
})

test('what is told soon after another is told with what follows it', async () => {
  const spans = require('../js/spans.js')
  let waiting = null
  const said = []
  const next = new Promise((resolve) => { waiting = resolve })
  spans.watch((bytes) => {
    const paths = []
    for (let frame; (frame = wire.read(bytes)) !== null; bytes = bytes.subarray(frame.used)) paths.push(frame.fields[5])
    said.push(paths)
    if (said.length === 3) waiting()
  }, { propagates: false, toldFromMs: 0 })
  const end = (now, path) => spans.end({ parent: `00-${TRACE}-${SPAN}-01`, id: '0'.repeat(16), isSampled: true }, now, {
    kind: 'http', to: 'a', method: 'GET', path, began: now - 1, waitedMs: 0, status: 200, error: ''
  })
  for (const [now, path] of [[1000, '/1'], [1050, '/2'], [1060, '/3'], [1099, '/4']]) end(now, path)
  // What is to be told keeps no process alive.
  const alive = setInterval(() => {}, LONG_MS)
  await next
  clearInterval(alive)
  spans.lost()
  assert.deepStrictEqual(said, [['/1'], ['/2'], ['/3', '/4']])
})

test('what is too much in a second is counted, and the next that is told says so', async () => {
  const spans = require('../js/spans.js')
  let all = null
  const untold = []
  const told = new Promise((resolve) => { all = resolve })
  spans.watch((bytes) => {
    for (let frame; (frame = wire.read(bytes)) !== null; bytes = bytes.subarray(frame.used)) untold.push(Number(frame.fields[11]))
    if (untold.length === 502) all()
  }, { propagates: false, toldFromMs: 0 })
  const end = (now) => spans.end({ parent: `00-${TRACE}-${SPAN}-01`, id: '0'.repeat(16), isSampled: true }, now, {
    kind: 'http', to: 'a', method: 'GET', path: '/', began: now - 1, waitedMs: 0, status: 200, error: ''
  })
  for (let call = 0; call < 503; call++) end(10_000 + call)
  end(11_000)
  end(11_001)
  const alive = setInterval(() => {}, LONG_MS)
  await told
  clearInterval(alive)
  spans.lost()
  assert.deepStrictEqual(untold.slice(499), [0, 3, 0])
  assert.ok(untold.slice(0, 500).every((count) => count === 0))
})

test('a process that ends tells what it has not told', async (t) => {
  const one = await start(t)
  const { spans } = one.plimsoll
  for (let call = 0; call < 2; call++) {
    const answered = ask(t, one, '/call')
    await answer(one.service)
    await answered
  }
  await assert.rejects(ask(t, one, '/exit'))
  assert.deepStrictEqual([(await spans.next()).request, (await spans.next()).request], [SPAN, SPAN])
})

test('texts are cut to what the supervisor takes', () => {
  const { TO_MAX, METHOD_MAX, PATH_MAX, ERROR_MAX } = wire.SPANS
  const spans = require('../js/spans.js')
  const said = []
  spans.watch((bytes) => said.push(wire.read(bytes).fields), { propagates: false, toldFromMs: 0 })
  const span = { parent: `00-${TRACE}-${SPAN}-01`, id: '0'.repeat(16), isSampled: true }
  const long = 'é'.repeat(1000)
  spans.end(span, 10, { kind: 'http', to: long, method: long, path: long, began: 5, waitedMs: 0, status: 0, error: long })
  spans.lost()
  const lengths = [3, 4, 5, 10].map((field) => Buffer.byteLength(said[0][field]))
  assert.deepStrictEqual(lengths, [TO_MAX, METHOD_MAX, PATH_MAX, ERROR_MAX].map((max) => max - max % 2))
  assert.strictEqual(spans.pathOf('/a/b?c#d'), '/a/b')
  assert.strictEqual(spans.begin(), null, 'nobody wants to know')
})
