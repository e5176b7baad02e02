'use strict'
// Calls by node:http2, and by what is built on it (gRPC): streams of a client's session. They are counted, and no limit
// holds for them: a stream that waited would hold up its session, in which the order of streams matters.
const { Duplex } = require('node:stream')
const { performance } = require('./apart.js')
const { BROKE, Call, GIVEN_UP } = require('./call.js')
const { groupOf } = require('./fan_out.js')
const { hidden } = require('./hidden.js')
const { patch } = require('./patch.js')
const spans = require('./spans.js')

// RFC 9113, 7: the codes of a stream that ended well, and of one that its client did not want any more.
const NO_ERROR = 0
const CANCEL = 8

/** `load` gives the origins; it is called when the first call is made. */
function watch (http2, load) {
  const sessions = new WeakMap()
  patch(prototypeOf(http2), 'request', (request) => function (headers, ...others) {
    let call = null
    try {
      let origin = sessions.get(this)
      if (origin === undefined) {
        sessions.set(this, origin = originOf(load(), this))
        origin.seen.sessions += 1
      }
      call = new StreamCall(origin, groupOf(origin), headers)
    } catch {
      // Then it is not seen.
    }
    if (call === null) return Reflect.apply(request, this, arguments)
    const stream = Reflect.apply(request, this, [call.headers, ...others])
    try {
      call.follow(stream)
      load().awake()
    } catch {
      // As above.
    }
    return stream
  })
}

/** Of the sessions of clients. Only a session leads to it: one that goes nowhere, and is gone at once. */
function prototypeOf (http2) {
  const nowhere = new Duplex({ read () {}, write (chunk, encoding, done) { done() } })
  const session = http2.connect('http://localhost', { createConnection: () => nowhere })
  session.on('error', () => {})
  session.destroy()
  return Object.getPrototypeOf(session)
}

/** A session keeps what it was connected to. */
function originOf (origins, session) {
  const [host, port] = split(hidden(session, 'authority'))
  return origins.of(hidden(session, 'protocol') ?? (session.encrypted ? 'https:' : 'http:'), host, port)
}

function split (authority) {
  const colon = authority.lastIndexOf(':')
  return [authority.slice(0, colon), authority.slice(colon + 1)]
}

/** One stream. */
class StreamCall extends Call {
  constructor (origin, group, headers) {
    super(origin, group)
    this.headers = this.span === null ? headers : spans.addTo(headers, spans.header(this.span))
  }

  follow (stream) {
    const { origin } = this
    let status = 0
    origin.pass(this, performance.now())
    stream.once('response', (headers) => { status = headers[':status'] })
    stream.once('close', () => {
      const { rstCode } = stream
      origin.passed(this, performance.now(), rstCode === NO_ERROR ? status : 0, rstCode === CANCEL ? GIVEN_UP : BROKE)
    })
  }

  about () {
    const { headers } = this
    const inPairs = (name) => headers.includes(name) ? headers[headers.indexOf(name) + 1] : undefined
    const named = (name) => Array.isArray(headers) ? inPairs(name) : headers?.[name]
    return { method: named(':method') ?? 'GET', path: named(':path') ?? '/' }
  }
}

module.exports = { watch }
