'use strict'
// Calls by undici: the global `fetch`, and every copy of the package that the app loads. All its agents, pools and
// clients inherit one `dispatch`, which is where a call can wait. One dispatches through the other: the outermost counts.
const { performance } = require('./apart.js')
const { BROKE, Call, GIVEN_UP, TIMED_OUT } = require('./call.js')
const { groupOf } = require('./fan_out.js')
const { hidden } = require('./hidden.js')
const { patch } = require('./patch.js')
const spans = require('./spans.js')

const GLOBAL = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map((name) => Symbol.for(name))

const patched = new WeakSet()
let isInside = false

/** The undici that `fetch` uses. `load` gives the origins; it is called when the first call is made. */
function watchBuiltIn (load) {
  // Node loads its undici with the first of its classes, and that makes the global dispatcher.
  void globalThis.Response
  watchGlobal(load)
}

/** A copy from npm. Where Node has loaded its own before, also without a call of `fetch`, it calls by the dispatcher of that. */
function watchPackage (prototype, load) {
  watchClass(prototype, load)
  watchGlobal(load)
}

function watchGlobal (load) {
  for (const symbol of GLOBAL) {
    const dispatcher = globalThis[symbol]
    if (dispatcher) watchClass(baseOf(dispatcher), load)
  }
}

/** Where `dispatch` stands that all dispatchers of a copy inherit. */
function baseOf (dispatcher) {
  for (let prototype = Object.getPrototypeOf(dispatcher); prototype; prototype = Object.getPrototypeOf(prototype)) {
    if (prototype.constructor?.name === 'DispatcherBase') return prototype
  }
  return null
}

/** The class that all dispatchers of a copy inherit. */
function watchClass (prototype, load) {
  if (typeof prototype?.dispatch !== 'function' || patched.has(prototype)) return
  patched.add(prototype)
  let origins = null
  patch(prototype, 'dispatch', (dispatch) => function (options, handler) {
    if (isInside) return dispatch.call(this, options, handler)
    let call
    try {
      origins ??= load()
      const origin = originOf(origins, this, options)
      const group = groupOf(origin)
      call = typeof handler.onRequestStart === 'function'
        ? new Controlled(origin, group, dispatch, this, options, handler)
        : new Classic(origin, group, dispatch, this, options, handler)
      origins.awake()
    } catch {
      return dispatch.call(this, options, handler)
    }
    call.origin.begin(call, performance.now())
    return call.more
  })
  // What has waited in a pool is dispatched by it then: it has been counted.
  patch(prototype, 'emit', (emit) => function (event) {
    if (event !== 'drain') return Reflect.apply(emit, this, arguments)
    const before = isInside
    isInside = 'pipelining' in this
    try {
      return Reflect.apply(emit, this, arguments)
    } finally {
      isInside = before
    }
  })
}

// Most calls go where the last one went.
let lastText = null
let lastOrigin = null
const known = new Map()
/** Clients and pools of one origin. */
const owned = new WeakMap()

function originOf (origins, dispatcher, { origin }) {
  if (origin === undefined) return ownOrigin(origins, dispatcher)
  if (typeof origin !== 'string') return spelt(origins, origin)
  if (origin === lastText) return lastOrigin
  let found = known.get(origin)
  if (found === undefined) {
    found = spelt(origins, new URL(origin))
    if (known.size >= 256) known.clear()
    known.set(origin, found)
  }
  lastText = origin
  lastOrigin = found
  return found
}

/** A client or pool knows its own origin. */
function ownOrigin (origins, dispatcher) {
  let found = owned.get(dispatcher)
  if (found === undefined) {
    const url = urlOf(dispatcher)
    owned.set(dispatcher, found = spelt(origins, typeof url === 'string' ? new URL(url) : url))
  }
  return found
}

function spelt (origins, { protocol, hostname, port }) {
  return origins.of(protocol, hostname, port || (protocol === 'https:' ? 443 : 80))
}

function urlOf (dispatcher) {
  return hidden(dispatcher, 'url')
}

/** With the header, where the app gives none; headers may also be names and values in turn. */
function propagate (options, parent) {
  if (parent === null) return options
  const { headers } = options
  if (Array.isArray(headers)) {
    if (!headers.every((header) => typeof header === 'string')) return options
    const isThere = headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === spans.PARENT)
    return isThere ? options : { ...options, headers: [...headers, spans.PARENT, parent] }
  }
  const given = spans.addTo(headers, parent)
  return given === headers ? options : { ...options, headers: given }
}

/** What both kinds of handler have in common. It stands in the place of the handler that it calls. */
class UndiciCall extends Call {
  constructor (origin, group, dispatch, dispatcher, options, handler) {
    super(origin, group)
    this.dispatch = dispatch
    this.dispatcher = dispatcher
    this.options = this.span === null ? options : propagate(options, spans.header(this.span))
    this.code = ''
    this.handler = handler
    this.status = 0
    /** Since when the app has not wanted more of the answer. */
    this.pausedAt = Infinity
    /** What `dispatch` answers: the caller may go on. */
    this.more = true
  }

  start () {
    const before = isInside
    isInside = true
    try {
      this.more = this.dispatch.call(this.dispatcher, this.options, this)
    } catch (error) {
      this.over(0)
      this.fail(error)
    } finally {
      isInside = before
    }
  }

  refuse (error) {
    this.fail(error)
  }

  giveUp (reason) {
    if (this.line === null) return
    this.origin.leave(this)
    this.fail(reason ?? new DOMException('This operation was aborted', 'AbortError'))
  }

  over (status, how) {
    this.origin.end(this, performance.now(), status, how)
  }

  failed (error) {
    this.code = String(error?.code ?? '')
    this.over(0, howEnded(error))
  }

  what () {
    return `${this.options.method} ${this.options.path}`
  }

  about () {
    return this.options
  }

  errorCode () {
    return this.code || super.errorCode()
  }

  statusSoFar () {
    return this.status
  }

  idleSince () {
    return this.pausedAt
  }
}

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT'])
// An abort, and a client or pool that the app closed.
const OWN = new Set(['UND_ERR_ABORTED', 'UND_ERR_DESTROYED', 'UND_ERR_CLOSED', 'ABORT_ERR'])

/** An error without a code is the reason that the app gave for an abort; that of a DOMException is a number. */
function howEnded (error) {
  const code = error?.code
  if (TIMEOUTS.has(code) || error?.name === 'TimeoutError') return TIMED_OUT
  return typeof code !== 'string' || OWN.has(code) ? GIVEN_UP : BROKE
}

/** Handlers of undici up to 7. */
class Classic extends UndiciCall {
  wait () {
    // So that an abort is heard while it waits; undici says the same again when there is a connection.
    this.handler.onConnect?.((reason) => this.abort === undefined ? this.giveUp(reason) : this.abort(reason))
  }

  fail (error) {
    this.handler.onError(error)
  }

  onConnect (abort, context) {
    this.abort = abort
    return this.handler.onConnect?.(abort, context)
  }

  onUpgrade (status, headers, socket) {
    this.over(status)
    return this.handler.onUpgrade(status, headers, socket)
  }

  onResponseStarted () {
    return this.handler.onResponseStarted?.()
  }

  onHeaders (status, headers, resume, text) {
    if (status >= 200) this.status = status
    const more = this.handler.onHeaders(status, headers, () => { this.pausedAt = Infinity; resume() }, text)
    if (more === false) this.pausedAt = performance.now()
    return more
  }

  onData (chunk) {
    const more = this.handler.onData(chunk)
    if (more === false) this.pausedAt = performance.now()
    return more
  }

  onComplete (trailers) {
    this.over(this.status)
    return this.handler.onComplete(trailers)
  }

  onError (error) {
    this.failed(error)
    return this.handler.onError(error)
  }

  onBodySent (chunk) {
    return this.handler.onBodySent?.(chunk)
  }

  onRequestSent () {
    return this.handler.onRequestSent?.()
  }
}

/** Handlers of undici from 7 on. */
class Controlled extends UndiciCall {
  wait () {
    this.handler.onRequestStart(new Waiting(this), {})
  }

  fail (error) {
    this.handler.onResponseError?.(this.controller ?? new Waiting(this), error)
  }

  onRequestStart (controller, context) {
    this.controller = controller
    return this.handler.onRequestStart(controller, context)
  }

  onRequestUpgrade (controller, status, headers, socket) {
    this.over(status)
    return this.handler.onRequestUpgrade?.(controller, status, headers, socket)
  }

  onResponseStarted () {
    return this.handler.onResponseStarted?.()
  }

  onResponseStart (controller, status, headers, text) {
    if (status >= 200) this.status = status
    return this.handler.onResponseStart?.(controller, status, headers, text)
  }

  onResponseData (controller, chunk) {
    this.handler.onResponseData?.(controller, chunk)
    this.pausedAt = controller?.paused ? performance.now() : Infinity
  }

  onResponseEnd (controller, trailers) {
    this.over(this.status)
    return this.handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError (controller, error) {
    this.failed(error)
    return this.handler.onResponseError?.(controller, error)
  }

  onBodySent (chunk) {
    return this.handler.onBodySent?.(chunk)
  }

  onRequestSent () {
    return this.handler.onRequestSent?.()
  }
}

/** What a call that waits can be told: to stop. */
class Waiting {
  paused = false
  aborted = false
  reason = null
  #call

  constructor (call) {
    this.#call = call
  }

  pause () {}
  resume () {}

  abort (reason) {
    this.aborted = true
    this.reason = reason
    if (this.#call.controller === undefined) this.#call.giveUp(reason)
    else this.#call.controller.abort(reason)
  }
}

module.exports = { watchBuiltIn, watchClass, watchPackage }
