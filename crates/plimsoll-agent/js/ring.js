'use strict'
// A link in a trunk, as the app knows connections: a `net.Socket`. There is no handle below it; bytes come from a ring in
// shared memory and go into another one.
const net = require('node:net')
const { setImmediate } = require('./apart.js')
const { TRUNK } = require('./layout.js')

const { LINK_FIRST, LINK_WORDS, WORKER_HALF, SENT, TAKEN, SIDE, BASE, DATA, REQUESTS, ANSWERS, ENDED, GONE, FULL } = TRUNK

// Bytes after which the loop has its turn: a stream into a ring that is emptied as fast as it is filled would never let it, nor one
// out of a ring that is filled as fast as it is emptied.
const TURN = 256 * 1024

// The most bytes of a unit of a string.
const UNIT_MAX = { latin1: 1, binary: 1, ascii: 1, utf8: 3, 'utf-8': 3 }

class RingSocket extends net.Socket {
  constructor (trunk, index, server) {
    super({ allowHalfOpen: server.allowHalfOpen, readable: true, writable: true, highWaterMark: server.highWaterMark })
    this.trunk = trunk
    this.index = index
    this.words = trunk.words
    this.bytes = trunk.bytes
    /** Where the gateway's half of the link begins, and where its rings do. */
    this.place = LINK_FIRST + index * LINK_WORDS
    this.requests = DATA + index * (REQUESTS + ANSWERS)
    this.answers = this.requests + REQUESTS
    /** Bytes so far; both wrap. The trunk says the same, but others can write there. */
    this.sent = 0
    this.taken = 0
    /** Of our ring: see the crate. */
    this.base = 0
    this.bytesIn = 0
    this.bytesOut = 0
    /** Whoever reads wants more. */
    this.wants = false
    this.takes = false
    this.givesWay = false
    this.hasEnded = false
    /** What there was no room for, and whom to tell when it is gone. */
    this.rest = null
    this.done = null
    /** How many bytes were in and out when the loop had its turn. */
    this.turnedIn = 0
    this.turnedOut = 0
    this.hasLeft = false
    this.link = null
    this._server = server
    this.server = server
    server._connections++
  }

  /** The gateway has sent, taken, ended or left. */
  heed () {
    const waited = this.rest !== null
    if (waited) this.#flush()
    if (!this.wants) return
    // Who waits for the end of an answer hears of it before the next request comes: the socket is that one's client then.
    if (waited && this.rest === null) setImmediate(() => { if (this.wants) this.#take() })
    else if (!this.#hand()) this.#take()
  }

  /**
   * Hands what has come to Node's parser, without the stream's buffer in between. That would have nothing to do where it is empty and
   * whoever reads takes all at once, and costs a request a turn of `nextTick` and a question whether there is more. False: not done.
   */
  #hand () {
    if (this.takes || this.givesWay || this.hasEnded || this.hasLeft) return false
    // Once something has come through the buffer, the stream knows that it has been read from.
    if (!this.parser || this.readableFlowing !== true || this.readableLength !== 0 || !this.readableDidRead) return false
    const { words, place } = this
    if ((Atomics.load(words, place + SIDE) & (ENDED | GONE)) !== 0 || this.bytesIn - this.turnedIn >= TURN) return false
    const count = (Atomics.load(words, place + SENT) - this.taken) >>> 0
    // What comes from now on is told again.
    if (count === 0) return true
    if (count > REQUESTS) return false
    this.takes = true
    try {
      this.emit('data', this.#copy(count))
    } finally {
      this.takes = false
    }
    return true
  }

  _read () {
    this.wants = true
    this.#take()
  }

  #take () {
    if (this.takes || this.givesWay || this.hasEnded || this.hasLeft) return
    const { words, place } = this
    this.takes = true
    try {
      while (this.wants && !this.hasLeft) {
        if (this.bytesIn - this.turnedIn >= TURN) return this.#giveWay()
        // Who ends has sent everything before.
        const side = Atomics.load(words, place + SIDE)
        const count = (Atomics.load(words, place + SENT) - this.taken) >>> 0
        if (count > REQUESTS) return void this.destroy(broken('EPROTO', 'read'))
        if (count === 0) {
          if ((side & (ENDED | GONE)) === 0) return
          this.hasEnded = true
          this.push(null)
          return
        }
        this.wants = this.push(this.#copy(count))
      }
    } finally {
      this.takes = false
    }
  }

  /** Nothing more is taken in this turn of the loop. */
  #giveWay () {
    this.givesWay = true
    this.turnedIn = this.bytesIn
    setImmediate(() => {
      this.givesWay = false
      if (this.wants) this.#take()
    })
  }

  #copy (count) {
    const chunk = Buffer.allocUnsafe(count)
    const from = (this.taken - Atomics.load(this.words, this.place + BASE)) & (REQUESTS - 1)
    const first = Math.min(count, REQUESTS - from)
    this.bytes.copy(chunk, 0, this.requests + from, this.requests + from + first)
    if (first < count) this.bytes.copy(chunk, first, this.requests, this.requests + count - first)
    this.taken = (this.taken + count) | 0
    this.bytesIn += count
    Atomics.store(this.words, this.place + WORKER_HALF + TAKEN, this.taken)
    if ((Atomics.load(this.words, this.place + SIDE) & FULL) !== 0) this.trunk.tell(this.index)
    this._unrefTimer()
    return chunk
  }

  _write (chunk, encoding, done) {
    this.#send([{ chunk, encoding }], done)
  }

  _writev (chunks, done) {
    this.#send(chunks, done)
  }

  #send (chunks, done) {
    // The link may be another's by now.
    if (this.hasLeft || this.#isLeft()) return void done(broken('EPIPE'))
    this._unrefTimer()
    let rest = null
    for (const { chunk, encoding } of chunks) {
      if (rest !== null) rest.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk)
      else {
        const left = this.#put(chunk, encoding)
        if (left !== null) rest = [left]
      }
    }
    this.#publish()
    const isDue = this.bytesOut - this.turnedOut >= TURN
    // The gateway may take all of it and leave before we look: then it has been sent.
    if (rest === null && !isDue) return void done()
    this.rest = rest ?? []
    this.done = done
    if (rest !== null) return this.#flush()
    this.turnedOut = this.bytesOut
    setImmediate(() => { if (this.rest?.length === 0) this.#flush() })
  }

  /** What there is no room for, or null. */
  #put (chunk, encoding) {
    const room = this.#room()
    if (room === ANSWERS && this.base !== this.sent) {
      this.base = this.sent
      Atomics.store(this.words, this.place + WORKER_HALF + BASE, this.base)
    }
    const at = (this.sent - this.base) & (ANSWERS - 1)
    if (typeof chunk === 'string') {
      const space = Math.min(room, ANSWERS - at)
      if (fits(chunk, encoding, space)) {
        this.#sentMore(this.bytes.write(chunk, this.answers + at, space, encoding))
        return null
      }
      chunk = Buffer.from(chunk, encoding)
    }
    const count = Math.min(chunk.length, room)
    const first = Math.min(count, ANSWERS - at)
    this.bytes.set(first === chunk.length ? chunk : chunk.subarray(0, first), this.answers + at)
    if (first < count) this.bytes.set(chunk.subarray(first, count), this.answers)
    this.#sentMore(count)
    return count === chunk.length ? null : chunk.subarray(count)
  }

  #room () {
    const lies = (this.sent - Atomics.load(this.words, this.place + TAKEN)) >>> 0
    return lies > ANSWERS ? 0 : ANSWERS - lies
  }

  #sentMore (count) {
    this.sent = (this.sent + count) | 0
    this.bytesOut += count
  }

  #publish () {
    Atomics.store(this.words, this.place + WORKER_HALF + SENT, this.sent)
    this.trunk.tell(this.index)
  }

  /** Goes on with what there was no room for. */
  #flush () {
    if (this.rest.length === 0) return this.#finish(null)
    if (this.#isLeft()) return this.#finish(broken('EPIPE'))
    const own = this.place + WORKER_HALF + SIDE
    Atomics.or(this.words, own, FULL)
    // Room that comes from here on is told.
    const before = this.sent
    while (this.rest.length > 0) {
      const left = this.#put(this.rest[0], null)
      if (left === null) this.rest.shift()
      else {
        this.rest[0] = left
        break
      }
    }
    if (this.rest.length === 0) Atomics.and(this.words, own, ~FULL)
    if (this.sent !== before) {
      this._unrefTimer()
      this.#publish()
    }
    if (this.rest.length === 0) this.#finish(null)
  }

  #finish (error) {
    const { done } = this
    this.rest = this.done = null
    done(error)
  }

  #isLeft () {
    return (Atomics.load(this.words, this.place + SIDE) & GONE) !== 0
  }

  _final (done) {
    if (this.hasLeft) return void done()
    Atomics.or(this.words, this.place + WORKER_HALF + SIDE, ENDED)
    this.trunk.tell(this.index)
    done()
  }

  _destroy (error, done) {
    if (!this.hasLeft) {
      this.hasLeft = true
      this.trunk.leave(this.index)
    }
    const waiting = this.done
    this.rest = this.done = null
    super._destroy(error, done)
    waiting?.(error ?? broken('ECONNRESET'))
  }

  // What Node asks the handle.

  get bytesRead () { return this.bytesIn }
  get pending () { return false }
  get _bytesDispatched () { return this.bytesOut }

  _getpeername () { return this.link?.connection()?.peer ?? {} }
  _getsockname () { return this.link?.connection()?.local ?? {} }
  ref () { return this }
  unref () { return this }
}

/** It is counted only where that is not clear from its length. */
function fits (text, encoding, space) {
  return text.length * (UNIT_MAX[encoding] ?? Infinity) <= space || (text.length <= space && Buffer.byteLength(text, encoding) <= space)
}

function broken (code, syscall = 'write') {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
}

module.exports = { RingSocket }
