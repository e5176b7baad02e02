'use strict'
// The links: kept-alive connections of the gateway, each carrying the requests of many clients. The gateway tells
// whose a request is in a private last header; here it is taken out before anything else sees the request. Then the
// request is claimed: from there on it is this process that runs it.
//
// This is the agent's hot path. Node's parser hands every request, also upgrades and those with `Expect`, to
// `parser.onIncoming`: wrapping that once per link costs a request some ten nanoseconds, wrapping `emit` some
// hundred.
const { AsyncResource } = require('node:async_hooks')
const { answer, extras, parse } = require('./address.js')
const { clearTimeout, setImmediate, setTimeout } = require('./apart.js')
const { within } = require('./context.js')
const { dismiss } = require('./dismiss.js')
const { take } = require('./headers.js')
const { forgetCallbacks, ignoreIdleTimeout, ignoreKeepAliveTimeout, renewTimeout, watch } = require('./keep_alive.js')
const page = require('./page.js')
const { patch } = require('./patch.js')
const { RingSocket } = require('./ring.js')
const { isWanted, parentOf } = require('./spans.js')
const { enter, kLink, leave, watchBody } = require('./watchdog.js')
const { SLOT_FIRST, STARTED, STATE_MASK, WAITS } = require('./wire.js')

const kAttended = Symbol('plimsoll.attended')
const kWatched = Symbol('plimsoll.watched')

const REQUEST_EVENTS = new Set(['request', 'upgrade', 'connect', 'checkContinue', 'checkExpectation', 'dropRequest'])

// The state of a slot whose link carries no request.
const FREE = 0
// Words of which none can ever be claimed.
const NOTHING = new Int32Array(1)
// The place of the slot of a link that has none: its requests run at once.
const NONE = -1

// How the text of a request ends that waits until the gateway knows that it has started.
const LAST_WAITS = ` ${WAITS}`

// How long a request waits for the end of the answer before it. The end of a file is found within a millisecond where there are
// threads to look for it; and the worker must not be held to be late, see `event_loop.rescue_after`.
const PATIENCE_MS = 2

/** From now on the server understands links. */
function attend (server) {
  if (server[kAttended]) return
  server[kAttended] = true
  server.on('connection', onConnection)
}

/** Runs after Node's own listener, which has made the parser. `this` is the server. */
function onConnection (socket) {
  const isRing = socket instanceof RingSocket
  const handle = socket._handle
  if (!isRing && handle?.constructor.name !== 'Pipe') return
  const link = new Link(socket, this.maxHeadersCount)
  if (isRing) socket.link = link
  else {
    answer(handle, 'getpeername', () => link.connection()?.peer ?? null)
    answer(handle, 'getsockname', () => link.connection()?.local ?? null)
  }
  // Node has it for TCP only, and throws for other sockets; the gateway passes the end on.
  socket.resetAndDestroy = socket.destroy
  ignoreIdleTimeout(socket)
  watch(link)
  if (typeof socket.parser?.onIncoming === 'function') watchParser(socket, link)
  else watchEvents(this, socket, link)
}

function watchParser (socket, link) {
  const { parser } = socket
  const onIncoming = parser.onIncoming
  // The limit on headers would cut off the last one, which is ours; the link applies it afterwards.
  if (link.lengthMax > 0) parser.maxHeaderPairs = 0
  ignoreKeepAliveTimeout(link)
  link.parser = parser
  socket[kLink] = link
  parser.onIncoming = function incoming (request, keepAlive) {
    const answer = socket._httpMessage
    if (answer && link.mayBeEarly(answer, request)) return waitForEnd(socket, answer, incoming, request, keepAlive)
    if (!link.take(request)) return dismiss(socket, request, keepAlive)
    link.arriving = true
    if (link.isAnswered) link.isAnswered = false
    else renewTimeout(link)
    if (link.callbacks !== null) forgetCallbacks(link)
    watchBody(request)
    const before = enter(link)
    try {
      return within(onIncoming, link, request, keepAlive)
    } finally {
      leave(link, before)
      // After an upgrade there is no next request, and what the app sets is its own.
      link.arriving = request.upgrade
    }
  }
}

/**
 * The app has not ended the answer before the request's, of which the gateway has seen all: perhaps it is just finding the end of a
 * file. Until then the request is not claimed. Where that takes long its link ends, and the gateway sends it elsewhere.
 */
function waitForEnd (socket, answer, incoming, request, keepAlive) {
  // In the request's own async context, not in that of the one whose answer ends.
  const proceed = AsyncResource.bind(() => {
    if (socket.writable) incoming(request, keepAlive)
    else socket.destroy()
  })
  // If the loop was busy meanwhile, the end may be among what it has not looked at.
  const timer = setTimeout(() => setImmediate(() => { if (!answer.writableFinished) socket.destroy() }), PATIENCE_MS)
  answer.once('finish', () => {
    clearTimeout(timer)
    // Who waits for the end of the answer hears of it first: the socket is the next client's then.
    setImmediate(proceed)
  })
  return 0
}

// For a Node whose parser works in another way: slower, and just before the app rather than before Node. Node has
// made its response by then, so that a request that must not run ends with its link.
function watchEvents (server, socket, link) {
  server[kWatched] ??= watchEmit(server)
  server[kWatched].set(socket, link)
}

function watchEmit (server) {
  const links = new WeakMap()
  const taken = new WeakSet()
  patch(server, 'emit', (emit) => function (event, request) {
    // An app may pass a request on, from `checkContinue` to `request`.
    if (REQUEST_EVENTS.has(event) && links.has(request.socket) && !taken.has(request)) {
      taken.add(request)
      if (!links.get(request.socket).take(request)) {
        request.socket.destroy()
        return true
      }
    }
    return Reflect.apply(emit, this, arguments)
  })
  return links
}

// Plain fields: private ones cost time on Node 18 and 20.
class Link {
  constructor (socket, headersMax) {
    this.socket = socket
    this.lengthMax = typeof headersMax === 'number' && headersMax > 0 ? headersMax * 2 : 0
    this.words = page.words()
    this.place = NONE
    this.parser = null
    /** The slot plus one, 0 for none, and the word of the request that was claimed last: as the watchdog knows it. */
    this.slot = 0
    this.word = 0
    this.text = ''
    /** See spans.js. */
    this.parent = ''
    /** The gateway sends the rest of the request when it knows that it has started. */
    this.waits = false
    /** Who makes the calls of the request: see fan_out.js. */
    this.caller = null
    /** Of keep_alive.js: Node is taking up a request; it is done with the answer to the last one. */
    this.arriving = false
    this.isAnswered = false
    /** The timeout of the connection, as the first request found it. */
    this.timeout = -1
    /** What the app gave `socket.setTimeout` to call, for a request. */
    this.callbacks = null
    /** How often it was seen that the gateway still waits for the answer, and how much had come by then, for which request. */
    this.looks = 0
    this.seen = 0
    this.seenWord = 0
  }

  /**
   * A request has come: from here on the socket is that of its client. False where it must not run, as the gateway
   * has taken it back or cannot know that it runs.
   */
  take (request) {
    const text = take(request, this.lengthMax)
    if (text !== null && text !== this.text) this.read(text)
    if (isWanted.value) this.parent = parentOf(request)
    if (this.isSpent(request)) {
      this.socket.destroy()
      return false
    }
    if (this.place !== NONE) {
      this.word = page.start(this.words, this.place)
      if (this.word === 0) return false
      // What comes after it may be of another protocol, and the slot another link's.
      if (request.upgrade) this.claimNothing()
    }
    if (this.waits) this.socket.write(STARTED, 'latin1')
    return true
  }

  read (text) {
    this.text = text
    this.waits = text.endsWith(LAST_WAITS)
    // Where Node remembers what the handle said.
    this.socket._peername = null
    this.socket._sockname = null
    // A link keeps its slot, but is a client's for a request only.
    if (this.place !== NONE) return
    for (const extra of extras(text)) {
      if (extra !== WAITS && this.place === NONE) this.claimAt(extra)
    }
  }

  /** The link has a slot, and nothing runs without it: the gateway would send it elsewhere when this process dies. */
  claimAt (slot) {
    this.place = this.words === null ? NONE : page.place(slot)
    this.slot = this.place === NONE ? 0 : this.place - SLOT_FIRST + 1
    if (this.place !== NONE) return
    this.socket.destroy()
    this.claimNothing()
  }

  /** From now on nothing that comes by the link runs: it has a word that can never be claimed. */
  claimNothing () {
    this.words = NOTHING
    this.place = 0
  }

  /**
   * Nothing can be answered on it any more: it was to be upgraded, or the app has not ended an answer that has no body, of which the
   * gateway has seen all. What comes is sent elsewhere when the link ends.
   */
  isSpent (request) {
    if (this.words === NOTHING) return true
    const { _httpMessage: answer } = this.socket
    return answer !== null && answer !== undefined && answer.req !== request && !answer._hasBody && !answer.writableEnded
  }

  /** `answer` is that to the request before. Without a slot the gateway could not send every request elsewhere. */
  mayBeEarly (answer, request) {
    return !answer.writableEnded && this.place !== NONE && this.words !== NOTHING && !request.upgrade
  }

  /** The gateway has not got the whole answer to the last request. */
  isRunning () {
    return this.place !== NONE && this.word !== 0 && Atomics.load(this.words, this.place) === this.word
  }

  /** Since the last time it was asked: another request has come, or more of the body of the last one. */
  hasMoved () {
    const { bytesRead } = this.socket
    if (this.seen === bytesRead && this.seenWord === this.word) return false
    this.seen = bytesRead
    this.seenWord = this.word
    return true
  }

  /** No request is under way on it, and it is none that has become another protocol's. */
  isIdle () {
    if (this.socket._httpMessage !== null || this.words === NOTHING) return false
    return this.place === NONE || (Atomics.load(this.words, this.place) & STATE_MASK) === FREE
  }

  /** The client's connection; null before the first request. Read only when somebody asks for an address. */
  connection () {
    return parse(this.text)
  }
}

module.exports = { attend }
