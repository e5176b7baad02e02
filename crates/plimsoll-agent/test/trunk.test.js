'use strict'
// The app's side of a trunk: which links it takes, with a gateway that is a few lines of this file.
const assert = require('node:assert')
const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const { test } = require('node:test')
const { TRUNK } = require('../js/layout.js')

const { DATA, LINKS, LINK_FIRST, LINK_WORDS, WORKER_HALF, SENT, SIDE, OPEN, GONE, REQUESTS, ANSWERS } = TRUNK

// The addon's part: the memory, and what is called when there is something about a link.
const memory = new ArrayBuffer(DATA + LINKS * (REQUESTS + ANSWERS))
const words = new Int32Array(memory, 0, DATA / 4)
let heed = null
require('../js/addon.js').addon = () => ({
  openTrunk (_, callback) {
    heed = callback
    return { memory, ring () {}, close () {} }
  }
})
const { attend } = require('../js/link.js')
const { Trunk } = require('../js/trunk.js')

// Link 0.
const OURS = LINK_FIRST + SIDE
const THEIRS = LINK_FIRST + WORKER_HALF + SIDE

async function start (t) {
  words.fill(0)
  const server = http.createServer()
  const links = []
  server.on('connection', (link) => links.push(link))
  const carrier = net.createServer()
  for (const one of [server, carrier]) {
    one.listen(0, '127.0.0.1')
    await once(one, 'listening')
  }
  const client = net.connect(carrier.address().port)
  const [{ _handle: handle }] = await once(carrier, 'connection')
  const trunk = new Trunk(server, handle)
  t.after(() => {
    client.destroy()
    carrier.close()
    server.close()
  })
  return { server, links, trunk }
}

/** As the gateway does it: `Trunk::open`. */
function open (link = 0) {
  const at = LINK_FIRST + link * LINK_WORDS
  for (const half of [0, WORKER_HALF]) words.fill(0, at + half, at + half + SIDE + 1)
  Atomics.store(words, at + SIDE, OPEN)
}

/** A request by a link, and the loop's turn. */
async function send (link, text) {
  const at = LINK_FIRST + link * LINK_WORDS
  Buffer.from(memory).write(text, DATA + link * (REQUESTS + ANSWERS) + words[at + SENT])
  words[at + SENT] += text.length
  heed(link)
  await new Promise((resolve) => setImmediate(resolve))
}

function isLeft (link) {
  return (words[LINK_FIRST + link * LINK_WORDS + WORKER_HALF + SIDE] & GONE) !== 0
}

test('a link that is opened again while its end is looked at is not left', async (t) => {
  const { links } = await start(t)
  const { load } = Atomics
  t.after(() => { Atomics.load = load })
  for (let turn = 0; turn < 5; turn++) {
    const before = links.length
    Atomics.load = load
    open()
    heed(0)
    assert.strictEqual(links.length, before + 1)
    links.at(-1).destroy()
    assert.strictEqual(words[THEIRS] & GONE, GONE)
    // The gateway has left it as well, and says so; before the `turn`th look at the memory it opens the link again.
    Atomics.or(words, OURS, GONE)
    let looks = 0
    Atomics.load = (...about) => {
      if (looks++ === turn) open()
      return load(...about)
    }
    heed(0)
    if (looks <= turn) open()
    heed(0)
    assert.deepStrictEqual([words[THEIRS] & GONE, links.length], [0, before + 2], `turn ${turn}`)
    Atomics.load = load
    links.at(-1).destroy()
    Atomics.or(words, OURS, GONE)
  }
})

test('a server that was closed takes no link that had been opened before', async (t) => {
  const { server, links } = await start(t)
  let ends = 0
  server.on('close', () => { ends++ })
  open()
  server.close()
  heed(0)
  await once(server, 'close')
  assert.deepStrictEqual([links.length, ends, words[THEIRS] & GONE], [0, 1, GONE])
})

test('links that no request needs count among those that a server may have only until another is opened', async (t) => {
  const { server, links } = await start(t)
  attend(server)
  server.maxConnections = 1
  server.on('request', (request, response) => { if (request.url === '/') response.end() })
  open(0)
  await send(0, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  open(1)
  await send(1, 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.deepStrictEqual([links.length, isLeft(0), isLeft(1)], [2, true, false])
  open(2)
  await send(2, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.deepStrictEqual([links.length, isLeft(1), isLeft(2)], [2, false, true])
  links[1].destroy()
})
