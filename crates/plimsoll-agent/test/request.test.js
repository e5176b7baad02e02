'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')

const ECHO = `
const server = http.createServer((request, response) => {
  const { socket } = request;
  const body = JSON.stringify({
    raw: request.rawHeaders, headers: request.headers, distinct: request.headersDistinct,
    remote: [socket.remoteAddress, socket.remotePort, socket.remoteFamily],
    local: [socket.localAddress, socket.localPort, socket.localFamily], address: socket.address()
  });
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
});
server.listen(3000, () => say(server.address()));
`

async function echo (t, source = ECHO) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, source)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  return async (options) => JSON.parse((await one.request(options)).body)
}

test('a request shows nothing of the private header', async (t) => {
  const request = await echo(t)
  const seen = await request({ headers: ['Host: test', 'X-Twice: 1', 'X-Twice: 2'] })
  assert.deepStrictEqual(seen.raw, ['Host', 'test', 'X-Twice', '1', 'X-Twice', '2'])
  assert.deepStrictEqual(seen.headers, { host: 'test', 'x-twice': '1, 2' })
  assert.deepStrictEqual(seen.distinct, { host: ['test'], 'x-twice': ['1', '2'] })
})

test('every request of a link shows its own client', async (t) => {
  const request = await echo(t)
  for (const [peer, remote, local] of [
    [PEER, ['203.0.113.7', 40001, 'IPv4'], ['192.0.2.1', 3000, 'IPv4']],
    ['::ffff:127.0.0.1 50000 ::ffff:127.0.0.1 3000', ['::ffff:127.0.0.1', 50000, 'IPv6'], ['::ffff:127.0.0.1', 3000, 'IPv6']],
    ['::1 1 ::1 3000', ['::1', 1, 'IPv6'], ['::1', 3000, 'IPv6']]
  ]) {
    const seen = await request({ peer })
    assert.deepStrictEqual(seen.remote, remote)
    assert.deepStrictEqual(seen.local, local)
    assert.deepStrictEqual(seen.address, { address: local[0], family: local[2], port: local[1] })
  }
})

test('many headers, which Node collects in parts, lose only the private one', async (t) => {
  const request = await echo(t)
  for (const count of [0, 1, 30, 31, 32, 33, 63, 64, 65, 200]) {
    const headers = ['Host: test', ...Array.from({ length: count }, (_, index) => `x-${index}: ${index}`)]
    const seen = await request({ headers })
    assert.strictEqual(seen.raw.length, headers.length * 2)
    assert.strictEqual(Object.keys(seen.headers).length, headers.length)
    assert.strictEqual(seen.remote[0], '203.0.113.7')
  }
})

test('maxHeadersCount counts the headers of the client', async (t) => {
  const request = await echo(t, ECHO.replace('server.listen', 'server.maxHeadersCount = 3; server.listen'))
  for (const count of [1, 2, 3, 40]) {
    const headers = ['Host: test', ...Array.from({ length: count }, (_, index) => `x-${index}: ${index}`)]
    const seen = await request({ headers })
    assert.strictEqual(Object.keys(seen.headers).length, Math.min(3, headers.length))
    assert.ok(!('x-plimsoll' in seen.headers))
    assert.strictEqual(seen.remote[0], '203.0.113.7')
  }
})

test('a request class that looks at its headers early never sees the private one again', async (t) => {
  const early = 'class Early extends http.IncomingMessage { constructor (socket) { super(socket); this.headers; this.headersDistinct } };'
  const request = await echo(t, early + ECHO.replace('createServer(', 'createServer({ IncomingMessage: Early }, '))
  const seen = await request()
  assert.deepStrictEqual(seen.headers, { host: 'test' })
  assert.deepStrictEqual(seen.raw, ['Host', 'test'])
})

test('trailers, chunked bodies and pipelined requests pass', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer((request, response) => {
      let body = '';
      request.on('data', (part) => { body += part }).on('end', () => {
        const text = JSON.stringify([body, request.trailers, request.rawTrailers, request.url]);
        response.writeHead(200, { 'Content-Length': text.length }).end(text);
      });
    }).listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  const headers = ['Host: a', 'Transfer-Encoding: chunked', 'Trailer: x-sum']
  const body = '3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n'
  const first = one.request({ head: 'POST /1 HTTP/1.1', headers, body })
  one.write(`GET /2 HTTP/1.1\r\nHost: a\r\nx-plimsoll: ${PEER}\r\n\r\n`)
  assert.deepStrictEqual(JSON.parse((await first).body), ['abc', { 'x-sum': '9' }, ['x-sum', '9'], '/1'])
  assert.deepStrictEqual(JSON.parse((await one.response()).body), ['', {}, [], '/2'])
})

test('Expect, upgrade and CONNECT show the client too', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const show = (event) => (request, other) => {
      say([event, request.rawHeaders.length, request.socket.remoteAddress, 'x-plimsoll' in request.headers]);
      if (other.writeHead) other.writeHead(200, { 'Content-Length': 0 }).end(); else other.end('HTTP/1.1 400 No\\r\\n\\r\\n');
    };
    const server = http.createServer(show('request'));
    for (const event of ['checkContinue', 'checkExpectation', 'upgrade', 'connect']) server.on(event, show(event));
    server.listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  for (const [event, head, extra] of [
    ['checkContinue', 'POST / HTTP/1.1', ['Expect: 100-continue']],
    ['checkExpectation', 'POST / HTTP/1.1', ['Expect: tea']],
    ['upgrade', 'GET / HTTP/1.1', ['Connection: Upgrade', 'Upgrade: websocket']],
    ['connect', 'CONNECT a:1 HTTP/1.1', []]
  ]) {
    await link(t, path).request({ head, headers: ['Host: a', ...extra] })
    assert.deepStrictEqual(await app.next(), [event, 2 + extra.length * 2, '203.0.113.7', false])
  }
})

test('a request without the private header passes as it is', async (t) => {
  const request = await echo(t)
  const seen = await request({ peer: null, headers: ['Host: a', 'x-y: z'] })
  assert.deepStrictEqual(seen.raw, ['Host', 'a', 'x-y', 'z'])
  assert.deepStrictEqual(seen.remote, [null, null, null])
})

test('a Node whose parser works in another way is served through events', async (t) => {
  const hide = "server.on('connection', (socket) => { const { parser } = socket; socket.parser = null; setImmediate(() => { socket.parser = parser }) });"
  const request = await echo(t, ECHO.replace('server.listen', `${hide} server.listen`))
  for (const peer of [PEER, '::1 1 ::1 3000']) {
    const seen = await request({ peer })
    assert.deepStrictEqual([seen.raw, seen.headers, seen.distinct], [['Host', 'test'], { host: 'test' }, { host: ['test'] }])
    assert.strictEqual(seen.remote[0], peer.split(' ')[0])
  }
})

test('a reset of the connection by the app ends the link', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer((request) => request.socket.resetAndDestroy()).listen(3000, () => say('up'));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  await assert.rejects(link(t, path).request(), /the link was closed/)
})

test('a client that goes away is seen by the app', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer((request, response) => {
      say(['request']);
      request.on('aborted', () => say(['aborted']));
      response.on('close', () => say(['close', response.writableFinished]));
    }).listen(3000, () => say(['up']));
  `)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  one.request({ head: 'POST / HTTP/1.1', headers: ['Host: a', 'Content-Length: 5'] }).catch(() => {})
  assert.deepStrictEqual(await app.next(), ['request'])
  one.close()
  assert.deepStrictEqual([await app.next(), await app.next()].sort(), [['aborted'], ['close', false]])
})
