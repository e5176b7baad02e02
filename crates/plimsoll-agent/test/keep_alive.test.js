'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, link, supervisor } = require('./support/index.js')

test('an idle link is never closed by the app, whatever timeout it sets, and when', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer({ keepAliveTimeout: 20, connectionsCheckingInterval: 10, headersTimeout: 40 }, (request, response) => {
      server.keepAliveTimeout = 15;
      response.end('hi');
    });
    server.keepAliveTimeoutBuffer = 0;
    server.listen(3000, () => { server.keepAliveTimeout = 10; say('up') });
    process.stdin.on('data', () => setTimeout(() => say([server.keepAliveTimeout]), 400));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  for (let count = 0; count < 2; count++) {
    const { status, head } = await one.request()
    assert.strictEqual(status, 200)
    assert.doesNotMatch(head, /keep-alive: timeout/i)
    app.poke()
    assert.deepStrictEqual(await app.next(), [0])
    assert.ok(!one.socket.destroyed)
  }
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
