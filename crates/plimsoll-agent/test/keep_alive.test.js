'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, link, supervisor } = require('./support/index.js')

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
      if (request.url === '/short') request.socket.setTimeout(200000);
      response.end(String(request.socket.timeout ?? 0));
    }).listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  for (const [head, timeout] of [['GET / HTTP/1.1', '0'], ['GET /short HTTP/1.1', '200000'], ['GET / HTTP/1.1', '0']]) {
    assert.strictEqual((await one.request({ head })).body, timeout)
  }
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
