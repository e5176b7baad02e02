'use strict'
// The links: kept-alive connections of the gateway, each carrying the requests of many clients. The gateway tells
// whose a request is in a private last header; here it is taken out before anything else sees the request.
//
// This is the agent's hot path. Node's parser hands every request, also upgrades and those with `Expect`, to
// `parser.onIncoming`: wrapping that once per link costs a request some ten nanoseconds, wrapping `emit` some
// hundred.
const { answer, parse } = require('./address.js')
const { take } = require('./headers.js')
const { ignoreIdleTimeout, pinKeepAlive } = require('./keep_alive.js')
const { patch } = require('./patch.js')

const kAttended = Symbol('plimsoll.attended')
const kWatched = Symbol('plimsoll.watched')
const kLink = Symbol('plimsoll.link')

const REQUEST_EVENTS = new Set(['request', 'upgrade', 'connect', 'checkContinue', 'checkExpectation', 'dropRequest'])

/** From now on the server understands links. */
function attend (server) {
  if (server[kAttended]) return
  server[kAttended] = true
  server.on('connection', onConnection)
}

/** Runs after Node's own listener, which has made the parser. `this` is the server. */
function onConnection (socket) {
  const handle = socket._handle
  if (handle?.constructor.name !== 'Pipe') return
  const link = socket[kLink] = new Link(socket, this.maxHeadersCount)
  answer(handle, 'getpeername', () => link.connection()?.peer ?? null)
  answer(handle, 'getsockname', () => link.connection()?.local ?? null)
  // Node has it for TCP only, and throws for other sockets; the gateway passes the end on.
  socket.resetAndDestroy = socket.destroy
  pinKeepAlive(this)
  ignoreIdleTimeout(socket)
  if (typeof socket.parser?.onIncoming === 'function') watchParser(socket.parser, link)
  else watchEvents(this)
}

function watchParser (parser, link) {
  const onIncoming = parser.onIncoming
  // The limit on headers would cut off the last one, which is ours; the link applies it afterwards.
  if (link.lengthMax > 0) parser.maxHeaderPairs = 0
  parser.onIncoming = function (request, keepAlive) {
    link.take(request)
    return onIncoming(request, keepAlive)
  }
}

// For a Node whose parser works in another way: slower, and just before the app rather than before Node.
function watchEvents (server) {
  if (server[kWatched]) return
  server[kWatched] = true
  patch(server, 'emit', (emit) => function (event, request) {
    if (REQUEST_EVENTS.has(event)) request.socket?.[kLink]?.take(request)
    return Reflect.apply(emit, this, arguments)
  })
}

class Link {
  #socket
  #text = ''

  constructor (socket, headersMax) {
    this.#socket = socket
    this.lengthMax = typeof headersMax === 'number' && headersMax > 0 ? headersMax * 2 : 0
  }

  /** A request has come: from here on the socket is that of its client. */
  take (request) {
    const text = take(request, this.lengthMax)
    if (text === null || text === this.#text) return
    this.#text = text
    // Where Node remembers what the handle said.
    this.#socket._peername = null
    this.#socket._sockname = null
  }

  /** The client's connection; null before the first request. Read only when somebody asks for an address. */
  connection () {
    return parse(this.#text)
  }
}

module.exports = { attend }
