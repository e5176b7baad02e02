'use strict'
// What a request allocates in the heap: one is weighed now and then, from its claim to the end of its answer. Only where
// nothing else can have run meanwhile is it told: where the handler has answered before it returned, or where the request
// was alone in the process all the time.
//
// It costs nothing where it is not asked for: `enter` and `leave` look at words that they look at anyhow.
const page = require('./page.js')
const wire = require('./wire.js')

const { WANTED, ARMED, ALLOCATED, ALLOCATED_KNOWN, WEIGH, WEIGHING } = wire.MARK
const { SLOT_FIRST, SLOTS, STATE_MASK, STARTED_STATE } = wire

const HALF = 2 ** 31

let marks = null
let tellAllocated = null
let say = null
/** The one that is being weighed. */
let weighed = null

/** `native` has the addon's functions, `words` are its marks. */
function start (native, words) {
  if (typeof native.tellAllocated !== 'function') return
  marks = words
  tellAllocated = native.tellAllocated
}

/** Whom to tell; null: nobody. */
function watch (tell) {
  say = tell
}

/** A part of the link's request begins, and something of this kind is wanted. */
function enters (link) {
  if (marks === null) return
  if (weighed !== null) return passes(link)
  if ((marks[WANTED] & WEIGH) === 0) return
  Atomics.and(marks, WANTED, ~WEIGH)
  const request = link.parser?.incoming
  if (say === null || !request || link.slot === 0) return
  const { method, url } = request
  weighed = { link, word: link.word, request, method, url, isAlone: isAlone(), before: 0, known: 0 }
  Atomics.or(marks, WANTED, WEIGHING)
  Atomics.or(marks, ARMED, WEIGHING)
  // The last thing before the app.
  tellAllocated()
  weighed.before = marks[ALLOCATED]
  weighed.known = marks[ALLOCATED_KNOWN]
}

/** Another part of it goes on, or it is not alone any more. */
function passes (link) {
  if (link !== weighed.link || link.word !== weighed.word || !weighed.isAlone) drop()
}

/** The first part of it is over. */
function leaves (link) {
  if (weighed === null || link !== weighed.link) return
  Atomics.and(marks, ARMED, ~WEIGHING)
  const response = link.socket._httpMessage
  if (!response || response.req !== weighed.request) return drop()
  if (response.finished) return ends()
  if (!weighed.isAlone) return drop()
  const one = weighed
  const finish = response._finish
  if (typeof finish !== 'function') return drop()
  // On this one response: all others are as they were.
  Object.defineProperty(response, '_finish', {
    configurable: true,
    writable: true,
    value: function _finish () {
      const result = Reflect.apply(finish, this, arguments)
      if (weighed === one) ends()
      return result
    }
  })
}

function ends () {
  tellAllocated()
  const { method, url, before, known } = weighed
  const bytes = (marks[ALLOCATED] - before) >>> 0
  // Less than nothing: a collection has taken away what it did not find when it came.
  const isKnown = known !== 0 && marks[ALLOCATED_KNOWN] === known && bytes < HALF
  drop()
  if (!isKnown || say === null) return
  const path = url.split('?', 1)[0]
  if (Buffer.byteLength(path) <= wire.ROUTE_MAX) say(wire.allocated(method, path, bytes))
}

function drop () {
  weighed = null
  Atomics.and(marks, WANTED, ~WEIGHING)
  Atomics.and(marks, ARMED, ~WEIGHING)
}

/** No other request has begun and is not known to be answered. */
function isAlone () {
  const words = page.words()
  let started = 0
  for (let index = SLOT_FIRST; index < SLOT_FIRST + SLOTS; index++) {
    if ((words[index] & STATE_MASK) === STARTED_STATE && ++started > 1) return false
  }
  return true
}

module.exports = { start, watch, enters, leaves }
