'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { FREE, SENT, STARTED, REVOKED } = require('./support/page.js')

const MARKER = 'HTTP/1.1 599 Revoked\r\nContent-Length: 0\r\n\r\n'

/** Everything that an app can hear of a request. */
const APP = `
const seen = (name) => (...rest) => { say([name, rest[0]?.url ?? rest[0]?.request?.url ?? rest[0]?.code]) };
const channels = require('node:diagnostics_channel');
for (const name of ['http.server.request.start', 'http.server.response.created']) channels.subscribe(name, seen(name));
const server = http.createServer((request, response) => {
  say(['request', request.url, request.socket.remoteAddress]);
  if (request.url === '/block') for (const end = Date.now() + 300; Date.now() < end;);
  response.writeHead(200, { 'Content-Length': 2 }).end('hi');
});
for (const event of ['checkContinue', 'checkExpectation', 'upgrade', 'connect', 'clientError', 'dropRequest', 'timeout']) {
  if (!process.argv[2]?.includes(event)) server.on(event, seen(event));
}
server.listen(3000, () => say(['up']));
`

async function start (t, source = APP) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, source)
  const { path } = await plimsoll.listens.next()
  assert.deepStrictEqual(await app.next(), ['up'])
  return { app, path, page: plimsoll.page, one: link(t, path) }
}

/** The last thing that the app has heard is this request, and nothing before it. */
async function hears (app, url) {
  const heard = []
  while (heard.at(-1)?.[0] !== 'request') heard.push(await app.next())
  assert.deepStrictEqual(heard.filter(([name]) => !name.startsWith('http.')), [['request', url, '203.0.113.7']])
  assert.ok(heard.every((one) => one[1] === url), JSON.stringify(heard))
}

test('a request is claimed before it runs, and cannot be taken back', async (t) => {
  const { app, page, one } = await start(t)
  for (const peer of [`${PEER} 7`, PEER, PEER]) {
    page.send(7)
    assert.strictEqual((await one.request({ peer })).status, 200)
    await hears(app, '/')
    assert.strictEqual(page.state(7), STARTED)
    assert.strictEqual(page.revoke(7), false)
  }
})

test('a request that was taken back is not seen by the app, and its link lives on', async (t) => {
  const { app, page, one } = await start(t)
  for (let round = 0; round < 3; round++) {
    page.send(1023)
    assert.ok(page.revoke(1023))
    const { head } = await one.request({ head: 'GET /never HTTP/1.1', peer: round === 0 ? `${PEER} 1023` : PEER })
    assert.strictEqual(head, MARKER)
    page.send(1023)
    assert.strictEqual((await one.request({ head: `GET /${round} HTTP/1.1` })).status, 200)
    await hears(app, `/${round}`)
  }
})

test('a request that waits for a blocked app can be taken back, and the one that blocks cannot', async (t) => {
  const { app, path, page, one } = await start(t)
  page.send(0)
  const blocks = one.request({ head: 'GET /block HTTP/1.1', peer: `${PEER} 0` })
  await hears(app, '/block')
  page.send(1)
  const waits = link(t, path).request({ head: 'POST /never HTTP/1.1', peer: `${PEER} 1` })
  assert.deepStrictEqual([page.revoke(0), page.revoke(1)], [false, true])
  assert.strictEqual((await blocks).status, 200)
  assert.strictEqual((await waits).head, MARKER)
  page.send(0)
  await one.request({ head: 'GET /next HTTP/1.1' })
  await hears(app, '/next')
})

const REQUESTS = [
  ['HEAD', [], ''],
  ['POST', ['Content-Length: 4'], 'body'],
  ['POST', ['Content-Length: 200000'], 'b'.repeat(200000)],
  ['POST', ['Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n'],
  ['POST', ['Transfer-Encoding: chunked', 'Trailer: x-sum'], '3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n'],
  ['POST', ['Expect: 100-continue', 'Content-Length: 4'], 'body'],
  ['POST', ['Expect: tea', 'Content-Length: 4'], 'body'],
  ['GET', ['Connection: Upgrade', 'Upgrade: websocket'], ''],
  ['CONNECT', [], '']
]

test('whatever the request, it is drained and answered with the marker once', async (t) => {
  for (const without of ['', 'checkContinue checkExpectation upgrade connect']) {
    const { app, page, one } = await start(t, APP.replace('process.argv[2]', JSON.stringify(without)))
    let first = true
    for (const [method, headers, body] of REQUESTS) {
      page.send(2)
      page.revoke(2)
      const target = method === 'CONNECT' ? 'a:1' : '/never'
      const { head } = await one.request({
        head: `${method} ${target} HTTP/1.1`, headers: ['Host: a', ...headers], body, peer: first ? `${PEER} 2` : PEER
      })
      first = false
      assert.strictEqual(head, MARKER, `${method} ${headers}`)
      page.send(2)
      assert.strictEqual((await one.request()).status, 200, `${method} ${headers}`)
      assert.strictEqual(one.received, '')
      await hears(app, '/')
    }
  }
})

test('the marker comes when the body is complete, and not before', async (t) => {
  const { app, page, one } = await start(t)
  page.send(2)
  page.revoke(2)
  one.write(`POST /never HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nx-plimsoll: ${PEER} 2\r\n\r\nbo`)
  const other = link(t, one.path)
  await other.request()
  await hears(app, '/')
  assert.strictEqual(one.received, '')
  assert.strictEqual((await one.write('dy').response()).head, MARKER)
})

test('a request that was taken back and asks for it takes its link with it', async (t) => {
  const { page, one } = await start(t)
  page.send(2)
  page.revoke(2)
  assert.strictEqual((await one.request({ headers: ['Host: a', 'Connection: close'], peer: `${PEER} 2` })).head, MARKER)
  await one.ended
})

test('the app does not hear how a request ends that was taken back', async (t) => {
  const slow = APP.replace('http.createServer(', 'http.createServer({ connectionsCheckingInterval: 10, headersTimeout: 700, requestTimeout: 800 }, ')
  for (const end of [(one) => one.socket.end(), (one) => one.close(), (one) => one.write('rubbish\r\n'), () => {}]) {
    const { app, page, one } = await start(t, slow)
    page.send(2)
    page.revoke(2)
    one.write(`POST /never HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nx-plimsoll: ${PEER} 2\r\n\r\n`)
    const other = link(t, one.path)
    await other.request()
    await hears(app, '/')
    end(one)
    await one.ended
    assert.strictEqual(one.received, '')
    await other.request({ head: 'GET /2 HTTP/1.1' })
    await hears(app, '/2')
  }
})

test('a link whose request was taken back is idle, and closes with the server', async (t) => {
  const { app, page, one } = await start(t, `${APP}
    server.on('close', () => say(['close']));
    process.stdin.once('data', () => { server.close(); server.closeIdleConnections() });
  `)
  page.send(2)
  page.revoke(2)
  assert.strictEqual((await one.request({ head: 'POST / HTTP/1.1', headers: ['Host: a', 'Content-Length: 1'], body: 'x', peer: `${PEER} 2` })).head, MARKER)
  app.poke()
  assert.deepStrictEqual(await app.next(), ['close'])
  await one.ended
})

test('who waits for it is told that a request has started, before anything of the app', async (t) => {
  const { app, page, one } = await start(t)
  const post = { head: 'POST / HTTP/1.1', headers: ['Host: a', 'Content-Length: 4'] }
  for (const peer of [`${PEER} 5 w`, `${PEER} w`, `${PEER} w`]) {
    page.send(5)
    assert.strictEqual((await one.request({ ...post, peer })).head, 'HTTP/1.1 199 Started\r\n\r\n')
    assert.strictEqual(page.state(5), STARTED)
    assert.strictEqual((await one.write('body').response()).status, 200)
    await hears(app, '/')
    page.send(5)
    assert.strictEqual((await one.request()).status, 200)
    await hears(app, '/')
    page.send(5)
    page.revoke(5)
    assert.strictEqual((await one.request({ ...post, peer, body: 'body' })).head, MARKER)
  }
  const without = link(t, one.path)
  assert.strictEqual((await without.request({ ...post, peer: `${PEER} w`, body: 'body' })).status, 199)
  assert.strictEqual((await without.response()).status, 200)
})

// `/piped` is whole for its client, and ends when the next request has come: as a file whose end is looked for. `/hangs` never ends.
const UNENDED = `
const storage = new (require('node:async_hooks').AsyncLocalStorage)();
const server = http.createServer((request, response) => {
  say([request.url, request.socket.remoteAddress, storage.getStore() ?? 'nobody']);
  storage.run(request.url, answer, request, response);
});
function answer (request, response) {
  const { socket, url } = request;
  if (url === '/next') return response.end('hi');
  response.on('close', () => say(['close ' + url]));
  response.writeHead(200, { 'Content-Length': 2 }).write('hi');
  const wait = () => {
    if (socket.parser.incoming === request || socket.parser.incoming === null) return setImmediate(wait);
    // Added late, as by one who asks what has become of it.
    response.on('finish', () => say(['finish ' + url, socket.remoteAddress]));
    response.end();
  };
  if (url === '/piped') wait();
}
server.listen(3000, () => say(['up']));
`

test('a request that comes before the app has ended the answer before it waits for that', async (t) => {
  const { app, page, one } = await start(t, UNENDED)
  for (const post of [{ head: 'GET /next HTTP/1.1' }, { head: 'POST /next HTTP/1.1', headers: ['Host: a', 'Content-Length: 4'], body: 'body' }]) {
    page.send(7)
    assert.strictEqual((await one.request({ head: 'GET /piped HTTP/1.1', peer: `${PEER} 7` })).body, 'hi')
    page.send(7)
    assert.strictEqual((await one.request({ ...post, peer: '::1 1 ::1 3000' })).body, 'hi')
    assert.strictEqual(page.state(7), STARTED)
    const heard = []
    for (let count = 0; count < 4; count++) heard.push(await app.next())
    assert.deepStrictEqual(heard, [
      ['/piped', '203.0.113.7', 'nobody'], ['finish /piped', '203.0.113.7'], ['close /piped'], ['/next', '::1', 'nobody']
    ])
  }
})

test('where the answer before does not end the link does, and the request can be sent elsewhere', async (t) => {
  const { app, page, one } = await start(t, UNENDED)
  page.send(7)
  assert.strictEqual((await one.request({ head: 'GET /hangs HTTP/1.1', peer: `${PEER} 7` })).body, 'hi')
  page.send(7)
  await assert.rejects(one.request({ head: 'POST /next HTTP/1.1', headers: ['Host: a', 'Content-Length: 4'], body: 'body' }), /the link was closed; received ""/)
  assert.ok(page.revoke(7))
  assert.deepStrictEqual([(await app.next())[0], await app.next()], ['/hangs', ['close /hangs']])
  page.send(8)
  assert.strictEqual((await link(t, one.path).request({ head: 'GET /next HTTP/1.1', peer: `${PEER} 8` })).body, 'hi')
  assert.strictEqual((await app.next())[0], '/next')
})

test('whatever the page says, nothing is thrown, and only what was sent is run', async (t) => {
  const { app, page, one } = await start(t)
  let peer = `${PEER} 9`
  for (const word of [0, 1, 2, 3, -1, -2, -3, -4, 0x7fffffff, -0x80000000, 0x55555555, -0x21524111]) {
    page.set(9, word)
    const { status } = await one.request({ peer })
    const isSent = (word & 3) === SENT
    assert.strictEqual(status, isSent ? 200 : 599, String(word))
    if (isSent) await hears(app, '/')
    assert.strictEqual(page.state(9), isSent ? STARTED : word & 3)
    peer = PEER
  }
  assert.deepStrictEqual([FREE, REVOKED], [0, 3])
})

test('a slot that is none ends the link, and the request does not run', async (t) => {
  const { app, path } = await start(t)
  for (const slot of ['1024', '-1', '1.5', 'x', '99999999999999999999', ' w']) {
    for (const extra of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
      const request = { head: 'GET /never HTTP/1.1', headers: ['Host: a', ...extra], peer: `${PEER} ${slot}` }
      await assert.rejects(link(t, path).request(request), /the link was closed/)
    }
  }
  await link(t, path).request()
  await hears(app, '/')
})

test('a Node whose parser works in another way claims as well, and gives up the link of what was taken back', async (t) => {
  const hide = "server.on('connection', (socket) => { const { parser } = socket; socket.parser = null; setImmediate(() => { socket.parser = parser }) });"
  const passes = "server.removeAllListeners('checkContinue').on('checkContinue', (...all) => server.emit('request', ...all));"
  const { app, page, one } = await start(t, APP.replace('server.listen', `${hide}${passes} server.listen`).replace(/for \(const name of .*/, ''))
  page.send(4)
  assert.strictEqual((await one.request({ peer: `${PEER} 4`, headers: ['Host: a', 'Expect: 100-continue'] })).status, 200)
  await hears(app, '/')
  page.send(4)
  page.revoke(4)
  await assert.rejects(one.request({ head: 'GET /never HTTP/1.1' }), /the link was closed/)
  await link(t, one.path).request()
  await hears(app, '/')
})

test('what comes after an upgrade claims nothing, whoever has the slot by then', async (t) => {
  const byHand = "response.writeHead(200, { 'Content-Length': 2 }).end('hi')"
  const source = APP.replace(byHand, "request.url === '/switch' ? request.socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: any\\r\\nConnection: Upgrade\\r\\n\\r\\n') && response.detachSocket(request.socket) : " + byHand)
  const { app, path, page, one } = await start(t, source.replace('process.argv[2]', JSON.stringify('upgrade')))
  page.send(3)
  one.write(`GET /switch HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: any\r\nx-plimsoll: ${PEER} 3\r\n\r\n`)
  await hears(app, '/switch')
  // The slot is another link's now.
  page.send(3)
  one.write(`GET /never HTTP/1.1\r\nHost: a\r\nx-plimsoll: ${PEER}\r\n\r\n`)
  const other = link(t, path)
  await other.request({ peer: PEER })
  await hears(app, '/')
  assert.strictEqual(page.state(3), SENT)
  assert.strictEqual((await link(t, path).request({ peer: `${PEER} 3` })).status, 200)
})
