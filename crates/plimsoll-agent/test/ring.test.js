'use strict'
// Links in shared memory: the app's side, with a gateway that is a few lines of this file.
const assert = require('node:assert')
const http = require('node:http')
const { once } = require('node:events')
const { Readable, pipeline } = require('node:stream')
const { test } = require('node:test')
const { TRUNK } = require('../js/layout.js')
const { RingSocket } = require('../js/ring.js')

const { DATA, LINK_FIRST, LINK_WORDS, WORKER_HALF, SENT, TAKEN, SIDE, BASE, REQUESTS, ANSWERS, OPEN, ENDED, GONE, FULL } = TRUNK

// The last link: its rings end with the memory.
const LINK = TRUNK.LINKS - 1
const AT = LINK_FIRST + LINK * LINK_WORDS
const WORKER = AT + WORKER_HALF
const REQUESTS_AT = DATA + LINK * (REQUESTS + ANSWERS)
const ANSWERS_AT = REQUESTS_AT + REQUESTS

class Gateway {
  constructor (server) {
    const memory = new ArrayBuffer(DATA + TRUNK.LINKS * (REQUESTS + ANSWERS))
    this.words = new Int32Array(memory, 0, DATA / 4)
    this.bytes = Buffer.from(memory)
    this.taken = 0
    this.told = 0
    this.words[AT + SIDE] = OPEN
    this.socket = new RingSocket(this, LINK, server)
  }

  // What RingSocket asks of its trunk.
  tell (index) {
    assert.strictEqual(index, LINK)
    this.told++
  }

  leave (index) {
    assert.strictEqual(index, LINK)
    Atomics.or(this.words, WORKER + SIDE, GONE)
  }

  /** Sends as much as there is room for; gives how much. */
  send (text) {
    const bytes = Buffer.from(text)
    const room = REQUESTS - ((this.words[AT + SENT] - this.words[WORKER + TAKEN]) >>> 0)
    const count = Math.min(bytes.length, room)
    // Now and then the ring begins anew.
    if (room === REQUESTS && this.words[AT + SENT] % 3 === 0) this.words[AT + BASE] = this.words[AT + SENT]
    for (let n = 0; n < count; n++) this.bytes[REQUESTS_AT + ((this.words[AT + SENT] - this.words[AT + BASE] + n) & (REQUESTS - 1))] = bytes[n]
    this.words[AT + SENT] += count
    this.socket.heed()
    return count
  }

  say (bit) {
    this.words[AT + SIDE] |= bit
    this.socket.heed()
  }

  says (bit) {
    return (this.words[WORKER + SIDE] & bit) !== 0
  }

  /** Takes what has been answered, at most so much. */
  take (most = Infinity) {
    const count = Math.min((this.words[WORKER + SENT] - this.taken) >>> 0, most)
    const found = Buffer.alloc(count)
    for (let n = 0; n < count; n++) found[n] = this.bytes[ANSWERS_AT + ((this.taken - this.words[WORKER + BASE] + n) & (ANSWERS - 1))]
    this.taken = (this.taken + count) | 0
    this.words[AT + TAKEN] = this.taken
    if (this.says(FULL)) this.socket.heed()
    return found
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

function listen (onRequest) {
  const server = http.createServer(onRequest)
  const gateway = new Gateway(server)
  server.emit('connection', gateway.socket)
  return { server, gateway }
}

test('requests are answered, one after the other, wherever they lie in the rings', async () => {
  const { gateway, server } = listen((request, response) => response.end(`${request.url} ä`))
  const connections = await new Promise((resolve) => server.getConnections((_, count) => resolve(count)))
  assert.strictEqual(connections, 1)
  for (let n = 0; n < 1000; n++) {
    const text = `GET /${'x'.repeat(n)} HTTP/1.1\r\nHost: a\r\n\r\n`
    assert.strictEqual(gateway.send(text), text.length)
    await turn()
    const answer = gateway.take().toString()
    assert.match(answer, /^HTTP\/1.1 200 OK\r\n/)
    assert.ok(answer.endsWith(`\r\n\r\n/${'x'.repeat(n)} ä`), answer)
  }
  assert.ok(gateway.socket.bytesRead > 500_000 && gateway.socket.bytesWritten === gateway.taken)
})

test('what is small stays at the beginning of the ring', async () => {
  const { gateway } = listen((request, response) => response.end('x'.repeat(1000)))
  for (let n = 0; n < 200; n++) {
    gateway.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await turn()
    gateway.take()
  }
  const used = gateway.bytes.subarray(ANSWERS_AT, ANSWERS_AT + ANSWERS).toString('latin1').trimEnd().replace(/\0+$/, '').length
  assert.ok(used > 1000 && used < 1300, String(used))
})

test('text of each encoding is written as its bytes, also where it hardly fits or does not', async () => {
  const { socket } = new Gateway(http.createServer())
  const gateway = socket.trunk
  socket.on('error', () => {})
  const texts = {
    latin1: 'äb', utf8: 'aä€😀', ucs2: 'aä€', hex: '0aff', base64: 'YQ==', ascii: 'abc'
  }
  for (const [encoding, text] of Object.entries(texts)) {
    for (const length of [0, 7, ANSWERS / 3 - 1, ANSWERS / 3 + 1, ANSWERS / 2, ANSWERS - 3, ANSWERS, ANSWERS + 1, 2.5 * ANSWERS]) {
      const long = text.repeat(Math.ceil(length / text.length))
      const expected = Buffer.concat([Buffer.from('>'), Buffer.from(long, encoding), Buffer.from('<')])
      socket.write('>')
      socket.write(long, encoding)
      socket.write('<')
      const parts = []
      for (let count = 0; count < expected.length; await turn()) {
        parts.push(gateway.take(40_000))
        count += parts.at(-1).length
      }
      assert.ok(Buffer.concat(parts).equals(expected), `${encoding} of ${long.length}`)
    }
  }
})

test('a body that is larger than the ring comes whole, and one that nobody reads waits', async () => {
  let incoming
  const { gateway } = listen((request) => { incoming = request })
  const body = Buffer.alloc(40 * REQUESTS, 'abcdefg').toString()
  gateway.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`)
  await turn()
  let sent = 0
  for (let idle = 0; idle < 20; idle++) {
    for (let count = 1; count > 0; sent += count) count = gateway.send(body.slice(sent))
    await turn()
  }
  assert.ok(sent < body.length, 'it is not kept in memory')
  const parts = []
  incoming.on('data', (part) => parts.push(part))
  while (sent < body.length) {
    await turn()
    sent += gateway.send(body.slice(sent))
  }
  await once(incoming, 'end')
  assert.ok(Buffer.concat(parts).toString() === body)
})

test('what comes is read in order, whoever pauses, resumes and reads along meanwhile', async () => {
  const bodies = []
  let along = 0
  const { gateway } = listen((request, response) => {
    const { socket } = request
    const number = bodies.push('') - 1
    if (number === 10) socket.on('data', (part) => { along += part.length })
    if (number % 5 === 1) {
      socket.pause()
      setImmediate(() => socket.resume())
    }
    if (number % 5 === 2) process.nextTick(() => socket.pause().resume())
    if (number % 7 === 3) request.pause()
    request.on('data', (part) => { bodies[number] += part })
    if (number % 7 === 3) setTimeout(() => request.resume(), 1)
    request.on('end', () => response.end(bodies[number]))
  })
  let sent = 0
  let sentAlong = 0
  let answers = ''
  for (let number = 0; number < 300; number++) {
    const body = `${number} `.repeat(1 + number % 50)
    let text = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    for (let part = 0; text.length > 0; part++) {
      const count = gateway.send(text.slice(0, 1 + (number * 31 + part * 17) % 120))
      text = text.slice(count)
      sent += count
      if (number > 10) sentAlong += count
      if (count === 0 || (number + part) % 3 === 0) await turn()
    }
    while (!answers.endsWith(`\r\n\r\n${body}`)) {
      await turn()
      answers += gateway.take()
    }
    assert.strictEqual(bodies.length, number + 1)
    assert.strictEqual(bodies[number], body)
  }
  assert.strictEqual(gateway.socket.bytesRead, sent)
  assert.ok(along >= sentAlong, `${along} of ${sentAlong}`)
})

test('what comes while nobody wants it is not handed on before what came earlier', async () => {
  const urls = []
  const { gateway } = listen((request, response) => {
    urls.push(request.url)
    response.end()
  })
  const head = (url) => `GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n`
  gateway.send(head('/first'))
  await turn()
  const { socket } = gateway
  socket.pause()
  const second = head('/second')
  gateway.send(second.slice(0, 8))
  await turn()
  gateway.send(second.slice(8, 12))
  await turn()
  assert.deepStrictEqual(urls, ['/first'])
  // The stream hands on what it has in the next tick.
  socket.resume()
  gateway.send(second.slice(12))
  gateway.send(head('/third'))
  while (urls.length < 3) await turn()
  assert.deepStrictEqual(urls, ['/first', '/second', '/third'])
  socket.pause()
  gateway.send(head('/fourth'))
  for (let n = 0; n < 5; n++) await turn()
  assert.strictEqual(urls.length, 3)
  socket.resume()
  while (urls.length < 4) await turn()
  assert.match(gateway.take().toString(), /^(HTTP\/1\.1 200 OK\r\n([^\r]+\r\n)+\r\n){4}$/)
})

test('an answer that is larger than the ring waits for room', async () => {
  const body = Buffer.alloc(5 * ANSWERS + 7, 'abcdefg')
  const { gateway } = listen((request, response) => {
    response.write(body.subarray(0, 10).toString())
    response.end(body.subarray(10))
  })
  gateway.send('GET / HTTP/1.0\r\n\r\n')
  await turn()
  assert.ok(gateway.says(FULL))
  const parts = []
  while (!gateway.says(GONE)) {
    parts.push(gateway.take(10_000))
    await turn()
  }
  parts.push(gateway.take())
  const answer = Buffer.concat(parts)
  assert.ok(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(body))
  assert.ok(gateway.says(ENDED) && !gateway.says(FULL))
})

test('a stream that never has to wait lets the loop have its turn', async () => {
  const KB = 1024
  const chunk = Buffer.alloc(64 * KB, 'x')
  let most = 0
  let since = 0
  const { gateway } = listen((req, res) => {
    res.setHeader('Content-Length', 4096 * KB)
    pipeline(Readable.from((function * () { for (let n = 0; n < 64; n++) yield chunk })()), res, () => {})
  })
  // Takes at once what it is told of.
  gateway.tell = () => { since += gateway.take().length; most = Math.max(most, since) }
  gateway.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  let all = 0
  while (all < 4096 * KB) {
    await turn()
    all += since
    since = 0
  }
  assert.ok(most <= 384 * KB, `${most} bytes within a turn`)
})

test('who waits for the end of an answer hears of it before the next request comes', async () => {
  const seen = []
  const { gateway } = listen((request, response) => {
    seen.push(request.url)
    response.on('finish', () => seen.push(`end of ${request.url}`))
    response.end(Buffer.alloc(3 * ANSWERS))
  })
  gateway.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  for (let taken = 0; taken < 3 * ANSWERS; taken += gateway.take().length) {
    if (taken > 0) await Promise.resolve()
    else await turn()
  }
  gateway.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  while (seen.length < 3) await turn()
  assert.deepStrictEqual(seen, ['/1', 'end of /1', '/2'])
})

test('a body that always has more lets the loop have its turn', async () => {
  const KB = 1024
  const length = 4096 * KB
  let [since, most, all, left] = [0, 0, 0, length]
  const { gateway } = listen((req, res) => {
    req.on('data', (chunk) => { since += chunk.length; most = Math.max(most, since) })
    req.on('end', () => res.end('all'))
  })
  const fill = () => { if (left > 0) left -= gateway.send(Buffer.alloc(Math.min(left, REQUESTS), 'x')) }
  gateway.words[AT + SIDE] |= FULL
  gateway.tell = fill
  gateway.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`)
  while (all < length) {
    await turn()
    all += since
    since = 0
  }
  assert.ok(most <= 384 * KB, `${most} bytes within a turn`)
})

test('the end of a link is that of a connection', async () => {
  for (const bit of [ENDED, GONE]) {
    let aborted = 0
    const { gateway, server } = listen((request, response) => response.on('close', () => aborted++))
    const closed = once(gateway.socket, 'close')
    gateway.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await turn()
    gateway.say(bit)
    await closed
    assert.strictEqual(aborted, 1)
    assert.ok(gateway.says(GONE))
    assert.strictEqual(server._connections, 0)
  }
})

test('who writes to a gateway that has left is told', async () => {
  const gateway = new Gateway(http.createServer())
  gateway.say(GONE)
  const [error] = await Promise.all([once(gateway.socket, 'error').then(([error]) => error), gateway.socket.write('x')])
  assert.strictEqual(error.code, 'EPIPE')
})

test('what the gateway has taken before it left has been sent', async () => {
  const { socket } = new Gateway(http.createServer())
  const gateway = socket.trunk
  const chunk = Buffer.alloc(ANSWERS / 2)
  // More than one turn's, the last of which is taken as it is told of.
  for (let sent = 0; sent < 6; sent++) {
    if (sent === 5) gateway.tell = () => { gateway.words[AT + SIDE] |= GONE }
    await new Promise((resolve, reject) => {
      socket.write(chunk, (error) => error ? reject(error) : resolve())
      gateway.take()
    })
  }
  assert.strictEqual(socket.destroyed, false)
  await assert.rejects(new Promise((resolve, reject) => socket.on('error', reject).write('x')), { code: 'EPIPE' })
})

test('a link that the app has left is not touched any more', async () => {
  const gateway = new Gateway(http.createServer())
  const { socket, words } = gateway
  socket.on('error', () => {})
  socket.destroy()
  const before = Array.from(words.subarray(AT, AT + LINK_WORDS))
  socket._write('late', 'latin1', (error) => assert.strictEqual(error.code, 'EPIPE'))
  socket._final(() => {})
  gateway.send('late')
  words[AT + SENT] = before[SENT]
  await turn()
  assert.deepStrictEqual(Array.from(words.subarray(AT, AT + LINK_WORDS)), before)
})

test('counts that cannot be are the end of the link', async () => {
  for (const requests of [0, 2]) {
    let count = 0
    const { gateway } = listen((request, response) => response.end(String(++count)))
    gateway.socket.on('error', () => {})
    await turn()
    for (let n = 0; n < requests; n++) {
      gateway.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      await turn()
    }
    gateway.words[AT + SENT] += REQUESTS + 1
    gateway.socket.heed()
    assert.ok(gateway.socket.destroyed && gateway.says(GONE))
    assert.strictEqual(count, requests)
  }
})

test('an upgrade gets the bytes behind its head', async () => {
  const { gateway, server } = listen(() => assert.fail('no request came'))
  server.on('upgrade', (request, socket, head) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${head}`)
    socket.on('data', (data) => socket.write(data))
  })
  gateway.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst ')
  await turn()
  gateway.send('second')
  await turn()
  assert.match(gateway.take().toString(), /first second$/)
  gateway.socket.destroy()
})
