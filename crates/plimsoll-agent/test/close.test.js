'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, link, supervisor } = require('./support/index.js')

const SERVER = `
const server = http.createServer((request, response) => setImmediate(() => response.end('hi')));
server.on('close', () => say(['close']));
`

test('the supervisor hears of close() when it is called, and the app when the links are gone', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${SERVER}
    server.listen(3000, () => say(['up']));
    process.stdin.once('data', () => { server.close(); say(['called', server.listening, server.address()]) });
  `)
  const { path, server } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  await one.request()
  app.poke()
  assert.deepStrictEqual(await app.next(), ['called', false, null])
  assert.strictEqual(await plimsoll.closes.next(), server)
  one.close()
  assert.deepStrictEqual(await app.next(), ['close'])
})

test('a server that is closed before the gateway has its port never listens', async (t) => {
  const plimsoll = await supervisor(t, () => null)
  const app = new App(t, plimsoll, `${SERVER}
    server.on('listening', () => say(['listening', server.address()]));
    server.listen(3000);
    server.close(() => server.listen(3001));
  `)
  const first = await plimsoll.listens.next()
  assert.strictEqual(await plimsoll.closes.next(), first.server)
  first.bound({ address: '::', port: 3000, family: 'IPv6' })
  assert.deepStrictEqual(await app.next(), ['close'])
  const second = await plimsoll.listens.next()
  assert.notStrictEqual(second.path, first.path)
  second.bound({ address: '::', port: 3001, family: 'IPv6' })
  assert.deepStrictEqual(await app.next(), ['listening', { address: '::', port: 3001, family: 'IPv6' }])
})

test('an aborted signal closes the server', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${SERVER}
    const abort = new AbortController();
    server.listen({ port: 3000, signal: abort.signal }, () => abort.abort());
  `)
  assert.strictEqual(await plimsoll.closes.next(), (await plimsoll.listens.next()).server)
  assert.deepStrictEqual(await app.next(), ['close'])
})

test('a closed server can listen again, and several can listen at once', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${SERVER}
    server.listen(3000, () => server.close(() => server.listen(3000, () => {
      const both = http.createServer((request, response) => response.end('other'));
      both.listen(3000, '::1', () => say(['both', server.address(), both.address()]));
    })));
  `)
  assert.deepStrictEqual(await app.next(), ['close'])
  const [, first, second] = await app.next()
  assert.deepStrictEqual([first.address, second.address], ['::', '::1'])
  const paths = new Set()
  for (let count = 0; count < 3; count++) paths.add((await plimsoll.listens.next()).path)
  assert.strictEqual(paths.size, 3)
  const [, again, other] = paths
  assert.strictEqual((await link(t, again).request({ headers: ['Host: a', 'Connection: close'] })).status, 200)
  assert.strictEqual((await link(t, other).request()).body, 'other')
})

test('unref lets the app end, also while it waits; otherwise the server keeps it alive', async (t) => {
  for (const answer of [undefined, () => null]) {
    const plimsoll = await supervisor(t, answer)
    const app = new App(t, plimsoll, 'http.createServer().listen(3000).unref()')
    assert.deepStrictEqual(await app.exited, { code: 0, signal: null })
  }
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer().listen(3000, () => { say(['up']); setTimeout(() => { say(['still']); server.close() }, 50) });
    server.unref(); server.ref();
  `)
  assert.deepStrictEqual(await app.next(), ['up'])
  assert.deepStrictEqual(await app.next(), ['still'])
  assert.deepStrictEqual(await app.exited, { code: 0, signal: null })
})
