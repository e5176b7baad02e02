'use strict'
const assert = require('node:assert')
const http = require('node:http')
const { test } = require('node:test')
const { kinds } = require('../js/wire.js')
const { App, freePort, link, supervisor } = require('./support/index.js')

const get = (port) => new Promise((resolve, reject) => {
  http.get({ port, host: '127.0.0.1', agent: false }, (response) => resolve(response.resume().statusCode)).on('error', reject)
})

test('the agent says who it is', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, 'http.createServer().listen(3000, () => say([process.pid, process.version]))')
  const hello = await plimsoll.hellos.next()
  assert.deepStrictEqual([hello.pid, hello.node], await app.next())
  assert.deepStrictEqual([hello.version, hello.addon], [2, ''])
})

test('without a supervisor the app listens for itself', async (t) => {
  const plimsoll = await supervisor(t)
  plimsoll.die()
  const [first, second] = [await freePort(), await freePort()]
  const app = new App(t, plimsoll, `
    const serve = (request, response) => response.end();
    const one = http.createServer(serve).listen(${first}, () => {
      const two = http.createServer(serve).listen(${second}, () => say([one.address().port, two.address().port]));
    });
  `)
  assert.deepStrictEqual(await app.next(), [first, second])
  assert.deepStrictEqual([await get(first), await get(second)], [200, 200])
})

test('a supervisor that hangs up without an answer leaves the app to itself', async (t) => {
  const plimsoll = await supervisor(t, () => null)
  const port = await freePort()
  const app = new App(t, plimsoll, `http.createServer((request, response) => response.end()).listen(${port}, () => say('up'))`)
  await plimsoll.listens.next()
  plimsoll.die()
  assert.strictEqual(await app.next(), 'up')
  assert.strictEqual(await get(port), 200)
})

test('rubbish on the channel is a lost channel', async (t) => {
  const plimsoll = await supervisor(t, () => null)
  const port = await freePort()
  const app = new App(t, plimsoll, `http.createServer((request, response) => response.end()).listen(${port}, () => say('up'))`)
  await plimsoll.listens.next()
  for (const socket of plimsoll.sockets) socket.write(Buffer.alloc(64, 0xff))
  assert.strictEqual(await app.next(), 'up')
})

test('what is thrown where a message is heard is an error of the app, and no lost channel', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    process.on('uncaughtException', ({ message }) => say(message))
    http.createServer().listen(3000, () => {
      for (const file of ['downstream.js', 'pools.js']) {
        require(Object.keys(require.cache).find((path) => path.endsWith('/' + file))).hear = () => { throw new Error(file) }
      }
      say('up')
    })
  `)
  assert.strictEqual(await app.next(), 'up')
  for (let time = 0; time < 2; time++) {
    plimsoll.order(kinds.BREAKER, [0, 'closed', 0, ''])
    assert.strictEqual(await app.next(), 'downstream.js')
    plimsoll.order(kinds.POOL_GRANT, [0, 1, 1, 2 ** 40, 1000])
    assert.strictEqual(await app.next(), 'pools.js')
  }
})

test('an answer in many pieces is an answer', async (t) => {
  const plimsoll = await supervisor(t, () => null)
  const app = new App(t, plimsoll, 'http.createServer().listen(3000, () => say("up"))')
  const asked = await plimsoll.listens.next()
  const [socket] = plimsoll.sockets
  const write = socket.write
  socket.write = (bytes) => { for (const byte of bytes) write.call(socket, Buffer.from([byte])) }
  asked.bound({ address: '::', port: 3000, family: 'IPv6' })
  assert.strictEqual(await app.next(), 'up')
})

test('an app whose gateway has died is asked to end, once', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    process.on('SIGTERM', () => say('term'));
    const server = http.createServer((request, response) => response.end()).listen(3000, () => say('up'));
    process.stdin.once('data', () => { server.close(); say('bye'); process.exit(0) });
  `)
  assert.strictEqual(await app.next(), 'up')
  plimsoll.die()
  assert.strictEqual(await app.next(), 'term')
  app.poke()
  assert.strictEqual(await app.next(), 'bye')
  const plain = await supervisor(t)
  const other = new App(t, plain, 'http.createServer().listen(3000, () => say("up"))')
  assert.strictEqual(await other.next(), 'up')
  plain.die()
  assert.deepStrictEqual(await other.exited, { code: null, signal: 'SIGTERM' })
})

test('an app without the addon is served all the same', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer((request, response) => response.end(request.socket.remoteAddress)).listen(3000, () => say('up'));
  `, { addon: false })
  const { path } = await plimsoll.listens.next()
  assert.match((await plimsoll.hellos.next()).addon, /addon\.node/)
  assert.strictEqual(await app.next(), 'up')
  assert.strictEqual((await link(t, path).request({ headers: ['Host: a'] })).status, 200)
})
