'use strict'
const assert = require('node:assert')
const http2 = require('node:http2')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const tls = require('node:tls')
const { connectAs } = require('./support/abstract.js')
const { App, PEER, link, supervisor } = require('./support/index.js')

const pem = (name) => fs.readFileSync(path.join(__dirname, 'support', 'tls', name), 'utf8')
const SECURE = { key: pem('key.pem'), cert: pem('cert.pem') }

const SHOW = `
const show = ({ socket, httpVersion }) => JSON.stringify([httpVersion, socket.remoteAddress, socket.remotePort, socket.remoteFamily, socket.localAddress, socket.localPort]);
const handler = (request, response) => response.end(show(request));
const secure = ${JSON.stringify(SECURE)};
`
const SEEN = ['203.0.113.7', 40001, 'IPv4', '192.0.2.1', 3000]

async function listening (t, source, options) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${SHOW} ${source}.listen(3000, () => say('up'))`, options)
  const asked = await plimsoll.listens.next()
  await app.next()
  return asked
}

function secured (t, socket, protocol) {
  const one = tls.connect({ socket, servername: 'localhost', ca: SECURE.cert, ALPNProtocols: [protocol] })
  t.after(() => one.destroy())
  return one
}

async function overHttp1 (socket) {
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  let text = ''
  for await (const part of socket) text += part
  return JSON.parse(/\[.*\]/.exec(text)[0])
}

async function overHttp2 (t, socket) {
  const session = http2.connect('http://localhost', { createConnection: () => socket })
  session.on('error', () => {})
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  let text = ''
  for await (const part of stream) text += part
  return JSON.parse(text)
}

test('https servers are passed through, and see the client', async (t) => {
  const asked = await listening(t, 'require("node:https").createServer(secure, handler)')
  assert.strictEqual(asked.kind, 'tcp')
  const socket = secured(t, await connectAs(t, PEER, asked.path), 'http/1.1')
  assert.deepStrictEqual(await overHttp1(socket), ['1.1', ...SEEN])
})

test('secure http2 servers see the client, with either protocol', async (t) => {
  const asked = await listening(t, 'require("node:http2").createSecureServer({ ...secure, allowHTTP1: true }, handler)')
  assert.strictEqual(asked.kind, 'tcp')
  const one = secured(t, await connectAs(t, PEER, asked.path), 'http/1.1')
  assert.deepStrictEqual(await overHttp1(one), ['1.1', ...SEEN])
  const two = secured(t, await connectAs(t, '::1 7 ::1 3000', asked.path), 'h2')
  assert.deepStrictEqual(await overHttp2(t, two), ['2.0', '::1', 7, 'IPv6', '::1', 3000])
})

test('http2 servers without TLS see the client', async (t) => {
  const asked = await listening(t, 'require("node:http2").createServer(handler)')
  assert.strictEqual(asked.kind, 'tcp')
  assert.deepStrictEqual(await overHttp2(t, await connectAs(t, PEER, asked.path)), ['2.0', ...SEEN])
})

test('a connection without a name, or no addon, leaves the addresses unknown and nothing else', async (t) => {
  const unknown = ['1.1', null, null, null, null, null]
  for (const [peer, addon] of [[null, true], ['what', true], ['', true], [PEER, false]]) {
    const asked = await listening(t, 'require("node:https").createServer(secure, handler)', { addon })
    const socket = secured(t, await connectAs(t, peer, asked.path), 'http/1.1')
    assert.deepStrictEqual(await overHttp1(socket), unknown)
  }
})

test('children of node:cluster see the client too', async (t) => {
  const asked = await listening(t, `
    const cluster = require('node:cluster');
    if (cluster.isPrimary) cluster.fork(); else require('node:https').createServer(secure, handler)`)
  assert.strictEqual(asked.kind, 'tcp')
  const socket = secured(t, await connectAs(t, PEER, asked.path), 'http/1.1')
  assert.deepStrictEqual(await overHttp1(socket), ['1.1', ...SEEN])
})

test('keep-alive of a passed-through server stays the app\'s', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${SHOW}
    const server = require('node:https').createServer(secure, handler);
    server.keepAliveTimeout = 1234;
    server.on('connection', () => say([server.keepAliveTimeout]));
    server.listen(3000);
  `)
  link(t, (await plimsoll.listens.next()).path)
  assert.deepStrictEqual(await app.next(), [1234])
})
