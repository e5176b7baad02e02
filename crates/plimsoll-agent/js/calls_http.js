'use strict'
// Calls by node:http and node:https, and by all that is built on them. Every request with an agent passes
// `Agent.prototype.addRequest`, which gives it a connection: that is where it can wait.
const { Call } = require('./call.js')
const { groupOf } = require('./fan_out.js')
const { patch } = require('./patch.js')
const spans = require('./spans.js')

const kCall = Symbol('plimsoll.call')

/** Stands before `addRequest`. */
function caller (origins) {
  return function begin (addRequest, agent, request, options, port, localAddress) {
    let call
    try {
      const origin = originOf(origins, agent, options, port)
      call = new HttpCall(origin, groupOf(origin), addRequest, agent, request, options, port, localAddress)
      request[kCall] = call
      if (call.span !== null) propagate(request, spans.header(call.span))
      request.on('close', onClose)
      origins.awake()
    } catch {
      return addRequest.call(agent, request, options, port, localAddress)
    }
    call.origin.begin(call, performance.now())
  }
}

/** The app's own word is the last one, also where it gives it later. */
function propagate (request, parent) {
  if (parent !== null && !request._header && !request.hasHeader(spans.PARENT)) request.setHeader(spans.PARENT, parent)
}

function originOf (origins, agent, options, port) {
  if (typeof options === 'string') return origins.of(agent.protocol, options, port)
  if (options.socketPath) return origins.of('unix:', options.socketPath, '')
  return origins.of(options.protocol ?? agent.protocol, options.host ?? 'localhost', options.port ?? agent.defaultPort)
}

function onClose () {
  const call = this[kCall]
  const now = performance.now()
  const { res } = this
  const isWhole = res && (res.complete || this.upgradeOrConnect)
  const limitMs = call.ownMs || this.timeout || this.socket?.timeout || Infinity
  call.origin.end(call, now, isWhole ? res.statusCode : 0, !isWhole && now - call.began >= limitMs)
}

class HttpCall extends Call {
  constructor (origin, group, addRequest, agent, request, options, port, localAddress) {
    super(origin, group)
    this.addRequest = addRequest
    this.agent = agent
    this.request = request
    this.options = options
    this.port = port
    this.localAddress = localAddress
    /** How long the app itself wants to wait for a sign of life. */
    this.ownMs = 0
    this.undo = null
    this.ownTimer = null
  }

  start () {
    if (this.undo !== null) this.stopListening()
    this.addRequest.call(this.agent, this.request, this.options, this.port, this.localAddress)
  }

  refuse (error) {
    this.stopListening()
    // Without a socket `destroy` alone would emit nothing.
    this.request.onSocket(null, error)
  }

  // While it waits there is no socket that could tell.
  wait () {
    const { request } = this
    const undos = [
      patch(request, 'destroy', (destroy) => (...args) => {
        const result = Reflect.apply(destroy, request, args)
        this.giveUp()
        return result
      }),
      patch(request, 'setTimeout', (setTimeout) => (ms, callback) => {
        this.ownTimeout(ms)
        return setTimeout.call(request, ms, callback)
      })
    ]
    this.undo = () => { for (const undo of undos) undo() }
    if (request.timeout > 0) this.ownTimeout(request.timeout)
  }

  /** As Node does it with an idle socket: it tells, and the app decides. */
  ownTimeout (ms) {
    this.ownMs = Number(ms) || 0
    clearTimeout(this.ownTimer)
    this.ownTimer = this.ownMs > 0 ? setTimeout(() => this.request.emit('timeout'), this.ownMs) : null
  }

  giveUp () {
    if (this.undo === null) return
    this.stopListening()
    this.origin.leave(this)
    this.request.onSocket(null)
  }

  stopListening () {
    this.undo?.()
    this.undo = null
    clearTimeout(this.ownTimer)
    this.ownTimer = null
  }

  what () {
    return this.request
  }

  errorCode () {
    return this.request.errored?.code ?? super.errorCode()
  }

  /** An answer has come, and nobody has begun to read it. */
  idleSince () {
    const { res } = this.request
    return res && res.readableFlowing === null && !res.readableDidRead ? this.began : Infinity
  }
}

module.exports = { caller }
