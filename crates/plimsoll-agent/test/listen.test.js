'use strict'
const assert = require('node:assert')
const net = require('node:net')
const { test } = require('node:test')
const { App, freePort, link, supervisor } = require('./support/index.js')

/** What the app saw, as lines; `source` sees `show(name)` and gets a `server`. */
const SHOW = `
const server = http.createServer((request, response) => response.end('hi'));
const show = (name) => say([name, server.listening, server.address()]);
server.on('error', (error) => say(['error', failure(error)]));
server.on('close', () => say(['close']));
`

test('every way to call listen asks the supervisor for the same', async (t) => {
  for (const [call, host, backlog, ipv6Only] of [
    ['listen(PORT)', '', 0, false],
    ['listen(PORT, done)', '', 0, false],
    ['listen("PORT")', '', 0, false],
    ['listen(PORT, 7)', '', 7, false],
    ['listen(PORT, "127.0.0.1")', '127.0.0.1', 0, false],
    ['listen(PORT, "127.0.0.1", 9, done)', '127.0.0.1', 9, false],
    ['listen(PORT, "::1")', '::1', 0, false],
    ['listen({ port: PORT, host: "::", ipv6Only: true })', '::', 0, true],
    ['listen({ port: PORT, host: "0.0.0.0", backlog: 5, exclusive: true }, done)', '0.0.0.0', 5, false],
    ['listen({ port: PORT, signal: new AbortController().signal })', '', 0, false]
  ]) {
    const plimsoll = await supervisor(t)
    const app = new App(t, plimsoll, `${SHOW}
      const done = () => {};
      server.on('listening', () => show('listening'));
      server.${call.replace('PORT', '4321')};
    `)
    const asked = await plimsoll.listens.next()
    assert.deepStrictEqual([asked.kind, asked.port, asked.host, asked.backlog, asked.ipv6Only], ['http', 4321, host, backlog, ipv6Only], call)
    const [, listening, address] = await app.next()
    assert.ok(listening)
    assert.deepStrictEqual(address, { address: host || '::', family: host.includes('.') ? 'IPv4' : 'IPv6', port: 4321 })
    await app.stop()
  }
})

test('the app sees in the same order what plain Node shows it', async (t) => {
  for (const call of ['listen(PORT)', 'listen(PORT, "127.0.0.1")', 'listen({ port: PORT, host: "localhost" })']) {
    const source = `${SHOW}
      const { AsyncLocalStorage } = require('node:async_hooks');
      const storage = new AsyncLocalStorage();
      storage.run('mine', () => {
        server.${call}.on('listening', () => { say([storage.getStore()]); show('listening'); server.close(() => show('closed')); });
      });
      show('at once');
      try { server.listen(1) } catch (error) { say([error.code]) }
      process.nextTick(() => show('next tick'));
    `.replace('PORT', await freePort())
    const plain = await linesOf(new App(t, null, source), 6)
    const plimsoll = await supervisor(t)
    assert.deepStrictEqual(await linesOf(new App(t, plimsoll, source), 6), plain, call)
  }
})

async function linesOf (app, count) {
  const lines = []
  for (let index = 0; index < count; index++) lines.push(await app.next().catch((error) => error.message))
  // Whether a lookup is done by the next tick is a matter of the host's resolver.
  return lines.filter(([name]) => name !== 'next tick')
}

test('listening waits for the gateway', async (t) => {
  const plimsoll = await supervisor(t, () => null)
  const app = new App(t, plimsoll, `${SHOW}
    server.listen(3000, () => show('listening'));
    show('at once');
    process.stdin.once('data', () => show('poked'));
  `)
  const asked = await plimsoll.listens.next()
  const expected = { address: '::', family: 'IPv6', port: 3000 }
  assert.deepStrictEqual(await app.next(), ['at once', true, expected])
  app.poke()
  assert.deepStrictEqual(await app.next(), ['poked', true, expected])
  asked.bound({ address: '0.0.0.0', family: 'IPv4', port: 3000 })
  assert.deepStrictEqual(await app.next(), ['listening', true, { address: '0.0.0.0', family: 'IPv4', port: 3000 }])
})

test('a request that comes before the answer is served after listening', async (t) => {
  const plimsoll = await supervisor(t, () => null)
  const app = new App(t, plimsoll, `${SHOW}
    server.on('request', () => say(['request']));
    server.listen(3000, () => show('listening'));
  `)
  const asked = await plimsoll.listens.next()
  const one = link(t, asked.path)
  const response = one.request()
  await new Promise((resolve) => one.socket.once('connect', resolve))
  asked.bound({ address: '::', family: 'IPv6', port: 3000 })
  assert.strictEqual((await app.next())[0], 'listening')
  assert.strictEqual((await app.next())[0], 'request')
  assert.strictEqual((await response).status, 200)
})

test('a refusal is the error that Node makes', async (t) => {
  const taken = net.createServer()
  t.after(() => taken.close())
  await new Promise((resolve) => taken.listen(0, '::', resolve))
  const { port } = taken.address()
  for (const call of [`listen(${port})`, `listen(${port}, '127.0.0.1')`, `listen(${port}, '203.0.113.9')`]) {
    const source = `${SHOW} server.${call}; server.on('error', () => show('after'));`
    const plain = new App(t, null, source)
    const first = await plain.next()
    const plimsoll = await supervisor(t, () => ({ code: first[1].code }))
    const app = new App(t, plimsoll, source)
    assert.deepStrictEqual(await app.next(), first)
    assert.deepStrictEqual(await app.next(), await plain.next())
  }
})

test('the stack of a refusal leads to the call of listen', async (t) => {
  const plimsoll = await supervisor(t, () => ({ code: 'EACCES' }))
  const app = new App(t, plimsoll, `
    function whereTheAppListens () { return http.createServer().listen(80) }
    whereTheAppListens().on('error', (error) => say([error.stack]));
  `)
  const [stack] = await app.next()
  assert.match(stack, /^Error: listen EACCES: permission denied 0\.0\.0\.0:80\n/)
  assert.match(stack, /whereTheAppListens/)
})

test('an unhandled refusal ends the app as it does in plain Node', async (t) => {
  const plimsoll = await supervisor(t, () => ({ code: 'EADDRINUSE' }))
  const app = new App(t, plimsoll, 'http.createServer().listen(3000)')
  assert.deepStrictEqual(await app.exited, { code: 1, signal: null })
  assert.match(app.errors, /Error: listen EADDRINUSE: address already in use :::3000/)
})

test('after a refusal the app can try the next port', async (t) => {
  const plimsoll = await supervisor(t, ({ host, port }) => port === 3000 ? { code: 'EADDRINUSE' } : { address: '::', family: 'IPv6', port })
  const app = new App(t, plimsoll, `
    const server = http.createServer((request, response) => response.end());
    server.once('error', () => server.listen(3001));
    server.listen(3000).once('listening', () => say(server.address()));
  `)
  assert.strictEqual((await app.next()).port, 3001)
  await plimsoll.listens.next()
  assert.strictEqual((await link(t, (await plimsoll.listens.next()).path).request()).status, 200)
})

test('ports that are not ours stay with Node', async (t) => {
  const plimsoll = await supervisor(t)
  const port = await freePort()
  const app = new App(t, plimsoll, `
    const path = require('node:path').join(__dirname, 'own.sock');
    const show = (server) => () => say([typeof server.address(), server.address().port ?? server.address().endsWith('own.sock')]);
    const any = http.createServer().listen(0); any.on('listening', show(any));
    const none = http.createServer().listen(); none.on('listening', show(none));
    const unix = http.createServer().listen(path); unix.on('listening', show(unix));
    const plain = net.createServer().listen(${port}); plain.on('listening', show(plain));
  `)
  const seen = [await app.next(), await app.next(), await app.next(), await app.next()].sort()
  assert.ok(seen.some(([type, value]) => type === 'string' && value === true))
  assert.ok(seen.some(([, value]) => value === port))
  assert.strictEqual(plimsoll.hellos.length, 0)
})

test('a server that was moved is as quick to look at as before', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer((request, response) => {
      response.end(JSON.stringify([server, request, request.socket].map((object) => %HasFastProperties(object))));
    });
    server.before = 1;
    server.listen(3000, () => say([Object.getPrototypeOf(server) === http.Server.prototype, Object.hasOwn(server, 'emit')]));
    server.after = 1;
    process.nextTick(() => { server.later = 1 });
  `, { flags: ['--allow-natives-syntax'] })
  const { path } = await plimsoll.listens.next()
  assert.deepStrictEqual(await app.next(), [true, false])
  const one = link(t, path)
  for (let count = 0; count < 3; count++) {
    assert.strictEqual((await one.request()).body, '[true,true,true]')
  }
})
