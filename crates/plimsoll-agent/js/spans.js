'use strict'
// What a traced request waits for: told to the supervisor, which makes spans of it; and the `traceparent` that the app's
// own calls get, so that the trace goes on in the services it calls.
//
// Whose request it is is known exactly or not at all: see context.js. Nothing is done before the supervisor asks for it.
const { current, follow, ofLink } = require('./context.js')
const { running } = require('./watchdog.js')
const { SPANS, span: frame } = require('./wire.js')

const PARENT = 'traceparent'
const PARENT_LENGTH = 55
const SPAN_AT = 36
const FLAGS_AT = 54
// So many a second are told. An app that makes thousands of calls in a traced request tells of the first.
const TOLD_PER_SECOND = 500

let say = null
let propagates = false
let toldFromMs = Infinity
let left = 0
let since = -Infinity

/** The supervisor wants to know. */
function watch (send, message) {
  say = send
  propagates = message.propagates
  toldFromMs = message.toldFromMs
  isWanted.value = true
  follow()
}

/** The supervisor is gone. */
function lost () {
  say = null
  isWanted.value = false
}

/** Read for each request: see link.js. */
const isWanted = { value: false }

/** As the gateway wrote it: the last header before the private one. Empty: there is none. */
function parentOf (request) {
  const { rawHeaders } = request
  const last = rawHeaders.length - 2
  return last >= 0 && rawHeaders[last] === PARENT && rawHeaders[last + 1].length === PARENT_LENGTH ? rawHeaders[last + 1] : ''
}

class Span {
  constructor (parent) {
    this.parent = parent
    this.id = `${digits()}${digits()}`
  }

  /** For whom is called. */
  get traceparent () {
    return `${this.parent.slice(0, SPAN_AT)}${this.id}${this.parent.slice(SPAN_AT + 16)}`
  }

  get isSampled () {
    return (this.parent.charCodeAt(FLAGS_AT) & 1) === 1
  }
}

/** Eight hexadecimal digits, never all of them 0. */
function digits () {
  return Math.ceil(Math.random() * 0xffff_ffff || 1).toString(16).padStart(8, '0')
}

/** Something begins that the request which runs waits for; null: nobody wants to know, or it is not known whose it is. */
function begin () {
  if (say === null) return null
  const request = current() ?? ofLink(running())
  return request === null || request.parent === '' ? null : new Span(request.parent)
}

/** What an outgoing call is given; null: nothing. */
function header (span) {
  return span !== null && propagates ? span.traceparent : null
}

/** It is over. Times are of `performance.now()`; `status` 0: there was no answer. */
function end (span, now, { kind, to, method, path, began, waitedMs, status, error }) {
  if (say === null) return
  const tookMs = now - began
  const isFailed = error !== '' || status >= 500
  if (!span.isSampled && !isFailed && tookMs < toldFromMs) return
  if (now - since >= 1000) {
    since = now
    left = TOLD_PER_SECOND
  }
  if (left === 0) return
  left -= 1
  const startUs = Math.round((performance.timeOrigin + began) * 1000)
  say(frame(kind, span.parent.slice(SPAN_AT, SPAN_AT + 16), span.id, cut(to, SPANS.TO_MAX), cut(method, SPANS.METHOD_MAX),
    cut(path, SPANS.PATH_MAX), startUs, Math.round(tookMs * 1000), Math.round(waitedMs * 1000), status, cut(error, SPANS.ERROR_MAX)))
}

/** At most so many bytes, and no half character at the end. */
function cut (text, max) {
  const whole = String(text ?? '')
  if (whole.length <= max && Buffer.byteLength(whole) <= max) return whole
  return Buffer.from(whole).subarray(0, max).toString().replace(/\ufffd$/, '')
}

/** The path without its query, in which secrets may be. */
function pathOf (target) {
  const text = String(target ?? '')
  const end = text.search(/[?#]/)
  return end < 0 ? text : text.slice(0, end)
}

module.exports = { watch, lost, isWanted, parentOf, begin, header, end, pathOf, PARENT }
