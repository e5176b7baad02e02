'use strict'
// Calls by node:http and node:https, and by all that is built on them. Every request with an agent passes
// `Agent.prototype.addRequest`, which gives it a connection: that is where it can wait.
const { AsyncResource } = require('node:async_hooks')
const http = require('node:http')
const { clearTimeout, nextTick, performance, setTimeout } = require('./apart.js')
const { BROKE, Call, GIVEN_UP, TIMED_OUT, WAITING } = require('./call.js')
const { groupOf } = require('./fan_out.js')
const { symbolOf } = require('./hidden.js')
const { patch } = require('./patch.js')
const spans = require('./spans.js')

const kCall = Symbol('plimsoll.call')

/** Stands before `addRequest`. */
function caller (origins) {
  watchRequests(http.ClientRequest.prototype)
  return function begin (addRequest, agent, request, options, port, localAddress) {
    const given = tellScheme(agent, request, options)
    // Some agents hand a request on to another one: that is still one call.
    if (request[kCall] !== undefined) return addRequest.call(agent, request, given, port, localAddress)
    let call
    try {
      const origin = originOf(origins, agent, request, options, port)
      call = new HttpCall(origin, groupOf(origin), addRequest, agent, request, given, port, localAddress)
      request[kCall] = call
      if (call.span !== null) propagate(request, spans.header(call.span))
      request.on('close', onClose)
      origins.awake()
    } catch {
      return addRequest.call(agent, request, given, port, localAddress)
    }
    call.origin.begin(call, performance.now())
  }
}

/**
 * agent-base from 7 on, of which most proxy agents are made, looks for node:https in the stack to know whether it has to
 * encrypt. Frames of ours push that out, and where a call has waited it never was there. What it is told it does not look for.
 */
function tellScheme (agent, request, options) {
  const isPlain = agent.createSocket === http.Agent.prototype.createSocket
  if (isPlain || Object(options) !== options || typeof options.secureEndpoint === 'boolean') return options
  const secureEndpoint = (options.protocol ?? request.protocol) === 'https:'
  return { __proto__: Object.getPrototypeOf(options), ...options, secureEndpoint }
}

// Where Node keeps the headers of a request: by name in small letters, as [name, value]. Undefined where it is called otherwise.
const kHeaders = symbolOf(new http.OutgoingMessage(), 'kOutHeaders')

/** The app's own word is the last one, also where it gives it later. */
function propagate (request, parent) {
  if (parent === null || request._header) return
  const headers = request[kHeaders]
  // Put there directly: `setHeader` looks at each character, which takes 0.2 to 0.4 µs.
  if (headers === null || headers === undefined) {
    if (!request.hasHeader(spans.PARENT)) request.setHeader(spans.PARENT, parent)
  } else if (headers[spans.PARENT] === undefined) {
    headers[spans.PARENT] = [spans.PARENT, parent]
  }
}

/** What the app does to a request that it made. While a call waits there is no socket that could tell. */
function watchRequests (prototype) {
  patch(prototype, 'destroy', (destroy) => function (error) {
    const call = this[kCall]
    // After a failure many apps end what has ended.
    if (call !== undefined && !this.destroyed && !this.socket?._hadError) call.givenUp = isTimeout(error) ? TIMED_OUT : GIVEN_UP
    const result = Reflect.apply(destroy, this, arguments)
    if (call !== undefined && call.state === WAITING) call.giveUp()
    return result
  })
  patch(prototype, 'setTimeout', (setTimeout) => function (ms) {
    const call = this[kCall]
    if (call !== undefined && call.state === WAITING) call.ownTimeout(ms)
    return Reflect.apply(setTimeout, this, arguments)
  })
}

/** `AbortSignal.timeout` has it in the cause. */
function isTimeout (error) {
  return error?.name === 'TimeoutError' || error?.cause?.name === 'TimeoutError'
}

// Not by the agent's own `protocol`: that of agent-base is a look into the stack.
function originOf (origins, agent, request, options, port) {
  if (typeof options === 'string') return origins.of(request.protocol, options, port)
  if (options.socketPath) return origins.of('unix:', options.socketPath, '')
  return origins.of(options.protocol ?? request.protocol, options.host ?? 'localhost', options.port ?? agent.defaultPort)
}

function onClose () {
  // Node frees the connection right after this: then the next one in the line has it, and makes none of its own.
  if (this[kCall].origin.waiting > 0) nextTick(end, this)
  else end(this)
}

function end (request) {
  const call = request[kCall]
  const now = performance.now()
  const { res } = request
  if (res && (res.complete || request.upgradeOrConnect)) return call.origin.end(call, now, res.statusCode)
  call.origin.end(call, now, 0, howEnded(request, call, now))
}

/** Without a whole answer. */
function howEnded (request, call, now) {
  const limitMs = call.ownMs || request.timeout || request.socket?.timeout || Infinity
  if (now - call.began >= limitMs) return TIMED_OUT
  if (call.givenUp !== BROKE) return call.givenUp
  // An answer that the app did not want to the end; Node itself says that its connection was reset.
  const { res } = request
  return res && res.destroyed && res.errored?.code !== 'ECONNRESET' ? GIVEN_UP : BROKE
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
    this.ownTimer = null
    /** The async context in which it was made, where it has waited. */
    this.caller = null
    /** The app has ended it: how. */
    this.givenUp = BROKE
  }

  what () {
    return `${this.request.method} ${this.request.path}`
  }

  start () {
    if (this.ownTimer !== null) this.stopTimer()
    if (this.caller === null) this.add()
    else this.caller.runInAsyncScope(this.add, this)
  }

  add () {
    try {
      this.addRequest.call(this.agent, this.request, this.options, this.port, this.localAddress)
    } catch (error) {
      // The service has nothing to do with it.
      this.origin.end(this, performance.now(), 0, GIVEN_UP)
      // After a wait whoever made the call is not there any more to catch it.
      if (this.caller === null) throw error
      this.refuse(error)
    }
  }

  refuse (error) {
    this.stopTimer()
    // Without a socket `destroy` alone would emit nothing.
    if (this.caller === null) this.request.onSocket(null, error)
    else this.caller.runInAsyncScope(this.request.onSocket, this.request, null, error)
  }

  wait () {
    // As Node does it with what waits for a connection: who lets it go on is mostly another request.
    this.caller = new AsyncResource('PLIMSOLL_CALL')
    if (this.request.timeout > 0) this.ownTimeout(this.request.timeout)
  }

  /** As Node does it with an idle socket: it tells, and the app decides. */
  ownTimeout (ms) {
    this.ownMs = Number(ms) || 0
    clearTimeout(this.ownTimer)
    this.ownTimer = this.ownMs > 0 ? setTimeout(() => this.request.emit('timeout'), this.ownMs) : null
  }

  giveUp () {
    this.stopTimer()
    this.origin.leave(this)
    this.request.onSocket(null)
  }

  stopTimer () {
    clearTimeout(this.ownTimer)
    this.ownTimer = null
  }

  about () {
    return this.request
  }

  errorCode () {
    return this.request.errored?.code ?? super.errorCode()
  }

  statusSoFar () {
    return this.request.res?.statusCode ?? 0
  }

  /** An answer has come, and nobody has begun to read it. */
  idleSince () {
    const { res } = this.request
    return res && res.readableFlowing === null && !res.readableDidRead ? this.began : Infinity
  }
}

module.exports = { caller }
