'use strict'
// Memory that a gateway thread shares with a server of the app, and that carries many links: see the crate
// plimsoll-wire, `trunk`. Its links are sockets of the app like any other: see ring.js.
const net = require('node:net')
const { addon } = require('./addon.js')
const { setTimeout } = require('./apart.js')
const { makeRoom } = require('./keep_alive.js')
const { TRUNK } = require('./layout.js')
const { borrow } = require('./memory.js')
const { RingSocket } = require('./ring.js')

const { LINKS, STATE, TO_GATEWAY, GATEWAY_SLEEPS, LINK_FIRST, LINK_WORDS, WORKER_HALF, SIDE, OPEN, GONE, TAKES_LINKS, CLOSED } = TRUNK

// The descriptors are sent right after the connection was made.
const TRIES = 100

class Trunk {
  #server
  #line
  #ring = null
  #sockets = new Array(LINKS)
  #open = 0
  #isOver = false

  /** `handle` is the connection that brings the trunk. */
  constructor (server, handle) {
    this.#server = server
    const line = this.#line = new net.Socket({ handle, pauseOnCreate: true })
    line.on('error', () => {})
    line.on('close', () => this.#end())
    line.unref()
    this.words = null
    this.bytes = null
    this.#take(handle.fd, TRIES)
  }

  #take (fd, tries) {
    if (this.#isOver) return
    const opened = addon().openTrunk?.(fd, (index) => this.#heed(index)) ?? null
    if (opened === null && tries > 0) return void setTimeout(() => this.#take(fd, tries - 1), 1)
    if (!(opened?.memory instanceof ArrayBuffer)) return void this.#line.destroy()
    this.words = new Int32Array(opened.memory, 0, TRUNK.DATA / Int32Array.BYTES_PER_ELEMENT)
    this.bytes = Buffer.from(opened.memory)
    this.#ring = opened
    borrow(opened.memory.byteLength)
    Atomics.store(this.words, STATE, this.#server._handle ? TAKES_LINKS : CLOSED)
    // Its end is seen from here on.
    this.#line.resume()
  }

  /** The server was closed. */
  close () {
    if (this.words !== null) Atomics.store(this.words, STATE, CLOSED)
  }

  /** There is something new about a link. */
  #heed (index) {
    const socket = this.#sockets[index] ?? this.#accept(index)
    socket?.heed()
  }

  #accept (index) {
    const at = LINK_FIRST + index * LINK_WORDS
    // In this order: the gateway, which opens a link again, sets its own side first.
    if ((Atomics.load(this.words, at + WORKER_HALF + SIDE) & GONE) !== 0) return null
    const side = Atomics.load(this.words, at + SIDE)
    if ((side & OPEN) === 0) return null
    const server = this.#server
    if ((side & GONE) !== 0 || this.#isOver || !server._handle || isFull(server)) {
      this.leave(index)
      return null
    }
    const socket = this.#sockets[index] = new RingSocket(this, index, server)
    if (++this.#open === 1) this.#line.ref()
    server.emit('connection', socket)
    return socket
  }

  /** Something about a link is new for the gateway. */
  tell (index) {
    const { words } = this
    Atomics.or(words, TO_GATEWAY + (index >> 5), 1 << (index & 31))
    if (Atomics.load(words, GATEWAY_SLEEPS) !== 0 && Atomics.exchange(words, GATEWAY_SLEEPS, 0) !== 0) this.#ring.ring()
  }

  /** The app is done with a link. */
  leave (index) {
    Atomics.or(this.words, LINK_FIRST + index * LINK_WORDS + WORKER_HALF + SIDE, GONE)
    this.tell(index)
    if (this.#sockets[index] === undefined) return
    this.#sockets[index] = undefined
    if (--this.#open === 0) this.#line.unref()
  }

  #end () {
    if (this.#isOver) return
    this.#isOver = true
    this.#ring?.close()
    for (const socket of this.#sockets) socket?.destroy()
  }
}

/** As Node has it, but that a link that nobody needs now is given up for one that is. */
function isFull (server) {
  makeRoom(server)
  return server.maxConnections > 0 && server._connections >= server.maxConnections
}

module.exports = { Trunk }
