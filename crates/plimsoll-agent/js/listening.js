'use strict'
// One server on its way from `listen()` to `listening`.
//
// The server listens at once, on a Unix path, so that `server.listening` and `server.address()` are right when
// `listen()` returns. Whether the app's port could be had is known when the gateway has bound it; until then the
// event `listening` is held back, and so are the gateway's connections: the app sees its port open and its first
// request come in the order it knows.
const { AsyncResource } = require('node:async_hooks')
const { answer, end, unspecified } = require('./address.js')
const { nextTick } = require('./apart.js')
const { hold } = require('./hold.js')
const { patch } = require('./patch.js')
const { refusal, trace } = require('./refusal.js')
const { serve } = require('./serve.js')

// Of the gateway's links. The app's own backlog is for its clients and goes to the gateway.
const BACKLOG = 4096

class Listening {
  #server
  #request
  #channel
  #bind
  #path
  #number
  #address
  #handle = null
  #held = null
  #stack
  /** The callbacks of `listen` run in the async context of its caller. */
  #caller = new AsyncResource('PLIMSOLL_LISTEN')

  /** `bind` is Node's own `_listen2`. */
  constructor (server, request, channel, bind) {
    this.#server = server
    this.#request = request
    this.#channel = channel
    this.#bind = bind
    this.#address = request.address ? end(request.address, request.port) : unspecified(request.port)
    this.#stack = trace(server._listen2)
  }

  start () {
    this.#path = this.#channel.path()
    if (this.#path === null) return this.#listenOnTcp()
    const held = this.#held = hold(this.#server, this.#path)
    this.#bind.call(this.#server, this.#path, -1, -1, BACKLOG)
    this.#handle = this.#server._handle
    if (!this.#handle) {
      // Node reports the failure in the next tick, and the app must not see it.
      nextTick(() => held.release())
      return this.#listenOnTcp()
    }
    held.keepConnections(this.#handle)
    this.#disguise()
    this.#number = this.#channel.listen(this, this.#request, this.#path)
  }

  /** The gateway has the port. */
  bound (address) {
    this.#soon(() => {
      this.#address = address
      this.#server._connectionKey = keyOf(address)
      this.#held.release()
      if (!this.#request.shared) serve(this.#server, this.#request.kind, true)
      try {
        this.#server.emit('listening')
      } finally {
        this.#held.deliverConnections()
      }
    })
  }

  /** The port cannot be had. */
  refused (code) {
    this.#soon(() => {
      this.#dropHandle()
      const { address, port } = this.#request
      this.#server.emit('error', refusal(code, address, port, this.#stack))
    })
  }

  /** There is no supervisor: the app listens for itself. */
  unreachable () {
    this.#soon(() => {
      this.#dropHandle()
      this.#listenOnTcp()
    })
  }

  #listenOnTcp () {
    this.#bind.apply(this.#server, this.#request.tcp)
  }

  // In a tick of its own, as Node does it: what the app throws there is the app's and must not stop the channel.
  #soon (step) {
    nextTick(() => {
      if (this.#server._handle === this.#handle) this.#caller.runInAsyncScope(step)
    })
  }

  #disguise () {
    answer(this.#handle, 'getsockname', () => this.#address)
    this.#server._connectionKey = keyOf(this.#address)
    patch(this.#handle, 'close', (close) => (...args) => {
      this.#closed()
      return close.apply(this.#handle, args)
    })
  }

  #closed () {
    this.#held.release()
    this.#held.refuseConnections()
    this.#channel.close(this.#number)
  }

  #dropHandle () {
    this.#server._handle = null
    this.#handle.close()
  }
}

// As Node writes it; node:cluster and some tools read it.
function keyOf ({ address, family, port }) {
  return `${family === 'IPv6' ? 6 : 4}:${address}:${port}`
}

module.exports = { Listening }
