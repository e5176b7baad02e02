'use strict'
// Calls by node:http2, and by what is built on it (gRPC): streams of a client's session. They are counted, and no limit
// holds for them: a stream that waited would hold up its session, in which the order of streams matters.
const { Duplex } = require('node:stream')
const { Call } = require('./call.js')
const { groupOf } = require('./fan_out.js')
const { patch } = require('./patch.js')

/** `load` gives the origins; it is called when the first call is made. */
function watch (http2, load) {
  const sessions = new WeakMap()
  patch(prototypeOf(http2), 'request', (request) => function () {
    const stream = Reflect.apply(request, this, arguments)
    try {
      let origin = sessions.get(this)
      if (origin === undefined) {
        sessions.set(this, origin = originOf(load(), this))
        origin.seen.sessions += 1
      }
      see(origin, stream)
      load().awake()
    } catch {
      // Then it is not seen.
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
  const [host, port] = split(own(session, 'authority'))
  return origins.of(own(session, 'protocol') ?? (session.encrypted ? 'https:' : 'http:'), host, port)
}

function split (authority) {
  const colon = authority.lastIndexOf(':')
  return [authority.slice(0, colon), authority.slice(colon + 1)]
}

function own (object, name) {
  return object[Object.getOwnPropertySymbols(object).find(({ description }) => description === name)]
}

function see (origin, stream) {
  const call = new Call(origin, groupOf(origin))
  let status = 0
  origin.pass(call, performance.now())
  stream.once('response', (headers) => { status = headers[':status'] })
  stream.once('close', () => origin.passed(call, performance.now(), stream.rstCode === 0 ? status : 0))
}

module.exports = { watch }
