'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { SLOT_FIRST, STATE_MASK } = require('../js/wire.js')

test('an idle link is never closed by the app, whatever timeout it sets, and when', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer({ keepAliveTimeout: 20, connectionsCheckingInterval: 10, headersTimeout: 700 }, (request, response) => {
      server.keepAliveTimeout = 15;
      response.end('hi');
    });
    server.keepAliveTimeoutBuffer = 0;
    server.listen(3000, () => { server.keepAliveTimeout = 10; say('up') });
    process.stdin.on('data', () => setTimeout(() => say([server.keepAliveTimeout]), 1000));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  for (let count = 0; count < 2; count++) {
    assert.strictEqual((await one.request()).status, 200)
    app.poke()
    assert.deepStrictEqual(await app.next(), [15])
    assert.ok(!one.socket.destroyed)
  }
})

test('server.timeout ends a request that does not get on, and never an idle link', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer((request, response) => { if (request.url !== '/hang') response.end('hi') });
    server.timeout = 500;
    server.listen(3000, () => say('up'));
    process.stdin.on('data', () => setTimeout(() => say('later'), 1000));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  assert.strictEqual((await one.request()).status, 200)
  app.poke()
  await app.next()
  assert.strictEqual((await one.request()).status, 200)
  await assert.rejects(one.request({ head: 'GET /hang HTTP/1.1' }), /the link was closed/)
})

test('a timeout that the app sets for one request is not there for the next', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer((request, response) => {
      const { socket } = request;
      const before = socket.listenerCount('timeout');
      const callback = () => {};
      if (request.url === '/short') socket.setTimeout(200000, callback).setTimeout(200000, callback);
      try { if (request.url === '/none') socket.setTimeout(200000, null) } catch {}
      response.end([socket.timeout ?? 0, before].join(', '));
    }).listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  const listeners = (await one.request()).body.split(', ')[1]
  for (const [head, timeout] of [['GET / HTTP/1.1', '0'], ['GET /short HTTP/1.1', '200000'], ['GET / HTTP/1.1', '0'], ['GET /none HTTP/1.1', '200000'], ['GET /short HTTP/1.1', '200000'], ['GET / HTTP/1.1', '0']]) {
    assert.strictEqual((await one.request({ head })).body, `${timeout}, ${listeners}`)
  }
})

test('nor where the app has no keepAliveTimeout; what it sets for a connection is there for each request', async (t) => {
  for (const [setting, own] of [['', '0'], ['server.timeout = 300000;', '300000'], ["server.on('connection', (socket) => socket.setTimeout(400000));", '400000']]) {
    const plimsoll = await supervisor(t)
    const app = new App(t, plimsoll, `
      const server = http.createServer((request, response) => {
        if (request.url === '/short') response.setTimeout(50);
        if (request.url === '/none') request.setTimeout(0);
        setTimeout(() => response.end(String(request.socket.timeout ?? 0)), request.url === '/' ? 100 : 0);
      });
      server.keepAliveTimeout = 0;
      ${setting}
      server.listen(3000, () => say('up'));
    `)
    const { path } = await plimsoll.listens.next()
    await app.next()
    const one = link(t, path)
    for (const [url, timeout] of [['/', own], ['/short', '50'], ['/', own], ['/none', '0'], ['/', own]]) {
      assert.strictEqual((await one.request({ head: `GET ${url} HTTP/1.1` })).body, timeout, `${setting} ${url}`)
    }
  }
})

test('an answer that is shorter than it said ends with its link, as by keepAliveTimeout, and no other does', async (t) => {
  const plimsoll = await supervisor(t)
  const { page } = plimsoll
  const app = new App(t, plimsoll, `
    http.createServer((request, response) => response.writeHead(200, { 'Content-Length': 10 }).end('hi')).listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const [short, whole, sends] = [7, 8, 9].map((slot) => {
    page.send(slot)
    return link(t, path)
  })
  const since = performance.now()
  short.write(`GET / HTTP/1.1\r\nHost: a\r\nx-plimsoll: ${PEER} 7\r\n\r\n`)
  // Its client sends more of its request.
  sends.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nx-plimsoll: ${PEER} 9\r\n\r\n`)
  const sending = setInterval(() => sends.write('x'), 500)
  t.after(() => clearInterval(sending))
  whole.write(`HEAD / HTTP/1.1\r\nHost: a\r\nx-plimsoll: ${PEER} 8\r\n\r\n`)
  await whole.until(/\r\n\r\n$/)
  page.set(8, page.words[SLOT_FIRST + 8] & ~STATE_MASK)
  await short.ended
  const took = performance.now() - since
  assert.ok(took > 4000 && took < 20_000, String(took))
  assert.match(short.received, /\r\n\r\nhi$/)
  assert.deepStrictEqual([whole.socket.destroyed, sends.socket.destroyed], [false, false])
})

test('a server that has as many connections as it may have gives up one that no request needs', async (t) => {
  const plimsoll = await supervisor(t)
  const { page } = plimsoll
  const app = new App(t, plimsoll, `
    const server = http.createServer((request, response) => {
      if (request.url === '/held') return say('held');
      response.end('hi');
    });
    server.on('upgrade', (request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n'));
    server.maxConnections = 2;
    server.listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const [upgraded, idle, held, refused] = [4, 5, 6, 7].map((slot) => (options) => {
    page.send(slot)
    const one = link(t, path)
    return [one, one.request({ ...options, peer: `${PEER} ${slot}` })]
  })
  assert.strictEqual((await upgraded({ headers: ['Host: a', 'Connection: Upgrade', 'Upgrade: x'] })[1]).status, 101)
  const [first, answer] = idle()
  assert.strictEqual((await answer).status, 200)
  page.set(5, page.words[SLOT_FIRST + 5] & ~STATE_MASK)
  held({ head: 'GET /held HTTP/1.1' })[1].catch(() => {})
  assert.strictEqual(await app.next(), 'held')
  await first.ended
  await assert.rejects(refused()[1], /the link was closed/)
})

test('after an upgrade the timeout is the app\'s', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer((request, response) => response.end('hi'));
    server.on('upgrade', (request, socket) => {
      socket.setTimeout(200000);
      socket.write('HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n');
      setImmediate(() => { say([socket.timeout]); socket.setTimeout(20).on('timeout', () => { say(['timeout']); socket.destroy() }) });
    });
    server.listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  await one.request()
  assert.strictEqual((await one.request({ headers: ['Host: a', 'Connection: Upgrade', 'Upgrade: websocket'] })).status, 101)
  assert.deepStrictEqual(await app.next(), [200000])
  assert.deepStrictEqual(await app.next(), ['timeout'])
})

test('a link that is never used gets 408 after headersTimeout: the gateway must not open one in advance', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer({ connectionsCheckingInterval: 10, headersTimeout: 40, requestTimeout: 80 }).listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  assert.strictEqual((await link(t, path).response()).status, 408)
})
