'use strict'
// What a traced request waits for: told to the supervisor, which makes spans of it; and the `traceparent` that the app's
// own calls get, so that the trace goes on in the services it calls.
//
// Whose request it is is known exactly or not at all: see context.js. Nothing is done before the supervisor asks for it.
const { outside, performance, setTimeout } = require('./apart.js')
const { follow } = require('./context.js')
const { Seldom } = require('./seldom.js')
const { SPANS, cut, span: frame } = require('./wire.js')

const PARENT = 'traceparent'
const PARENT_LENGTH = 55
// In the place of the `traceparent` of a request: of none.
const NOBODY = '0'.repeat(PARENT_LENGTH)
const SPAN_AT = 36
const FLAGS_AT = 54
// So many a second are told, and how many were not. An app that makes thousands of calls in a traced request tells of the first.
const TOLD_PER_SECOND = 500
// Less than the supervisor waits for what is told of a request that has been answered.
const TOGETHER_MS = 50

let say = null
let propagates = false
let toldFromMs = Infinity
let left = 0
let untold = 0
let since = -Infinity

/** The supervisor wants to know. */
function watch (send, message) {
  if (say === null) process.once('exit', tellTogether)
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
  together = []
  untold = 0
  seldom = new Seldom(TOGETHER_MS)
  process.removeListener('exit', tellTogether)
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
    this.isSampled = (parent.charCodeAt(FLAGS_AT) & 1) === 1
    this.id = this.isSampled ? identity() : ''
  }

  /**
   * For whom is called. Most that is not sampled is never told: what is recorded of it elsewhere then belongs to the request, of
   * which more is known, and a text that is there already is passed on in a third of the time.
   */
  get traceparent () {
    return this.isSampled ? `${this.parent.slice(0, SPAN_AT)}${this.id}${this.parent.slice(SPAN_AT + 16)}` : this.parent
  }
}

// Made in batches: to write a number in hexadecimal takes twenty times as long as to cut it out of a text.
const IDS = 256
const ID_DIGITS = 16
const words = new Uint32Array(IDS * 2)
let ids = ''
let at = 0

/** Sixteen hexadecimal digits, never all of them 0. */
function identity () {
  if (at === ids.length) refill()
  at += ID_DIGITS
  return ids.slice(at - ID_DIGITS, at)
}

function refill () {
  for (let index = 0; index < words.length; index++) words[index] = Math.random() * 0xffff_ffff + 1
  ids = Buffer.from(words.buffer).toString('hex')
  at = 0
}

/** Something begins that this request waits for; null: nobody wants to know, or it is not known whose it is. */
function begin (request) {
  return say === null || request === null || request.parent === '' ? null : new Span(request.parent)
}

/** For what is to be told though it is not known whose it is. */
function ofNobody () {
  return new Span(NOBODY)
}

/** What an outgoing call is given; null: nothing. */
function header (span) {
  return span !== null && propagates ? span.traceparent : null
}

/** An object of headers with what `header` gives, where the app has put none. Forms that we do not know stay as they are. */
function addTo (headers, parent) {
  if (parent === null) return headers
  if (headers === undefined || headers === null) return { [PARENT]: parent }
  const prototype = Object.getPrototypeOf(headers)
  if (prototype !== Object.prototype && prototype !== null) return headers
  const isThere = Object.keys(headers).some((name) => name.toLowerCase() === PARENT)
  return isThere ? headers : { ...headers, [PARENT]: parent }
}

/** Whether anybody wants to know of what took so long. Asked before it is described: most are of no interest. */
function isTold (span, tookMs, isFailed) {
  return say !== null && (isFailed || tookMs >= toldFromMs || (span !== null && span.isSampled))
}

/** It is over, and told. Times are of `performance.now()`; `status` 0: there was no answer. */
function end (span, now, { kind, to, method, path, began, waitedMs, status, error }) {
  if (now - since >= 1000) {
    since = now
    left = TOLD_PER_SECOND
  }
  if (left === 0) {
    untold += 1
    return
  }
  left -= 1
  const tookMs = now - began
  const startUs = Math.round((performance.timeOrigin + began) * 1000)
  tell(now, frame(kind, span.parent.slice(SPAN_AT, SPAN_AT + 16), span.id || identity(), cut(to, SPANS.TO_MAX), cut(method, SPANS.METHOD_MAX),
    cut(path, SPANS.PATH_MAX), startUs, Math.round(tookMs * 1000), Math.round(waitedMs * 1000), status, cut(error, SPANS.ERROR_MAX), untold))
  untold = 0
}

let together = []
let seldom = new Seldom(TOGETHER_MS)

/** At once where little is told; else with what is told soon after: to write it takes many times as long as to make it. */
function tell (now, bytes) {
  if (together.length === 0 && seldom.isDue(now)) {
    seldom.said(now)
    say(bytes)
  } else if (together.push(bytes) === 1) {
    outside(() => setTimeout(tellTogether, TOGETHER_MS).unref())
  }
}

function tellTogether () {
  if (together.length === 0) return
  const bytes = Buffer.concat(together)
  together = []
  seldom.said(performance.now())
  say(bytes)
}

/** The path without its query, in which secrets may be. */
function pathOf (target) {
  const text = String(target ?? '')
  const end = text.search(/[?#]/)
  return end < 0 ? text : text.slice(0, end)
}

module.exports = { watch, lost, isWanted, parentOf, begin, ofNobody, header, addTo, isTold, end, pathOf, PARENT }
