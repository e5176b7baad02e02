'use strict'
// Starts the addon's watchdog, and notes for it which request's synchronous part runs: a slot and a word, in memory
// that its thread reads. Where there is no watchdog the notes are made all the same and nobody reads them.
const path = require('node:path')
const { addon } = require('./addon.js')
const churn = require('./churn.js')
const context = require('./context.js')
const memory = require('./memory.js')
const page = require('./page.js')
const {
  CHANNEL_SOCKET, MARK, STALL_THRESHOLD, STALL_THRESHOLD_DEFAULT, PAUSE_THRESHOLD, PAUSE_THRESHOLD_DEFAULT,
  SEMI_SPACE_GROWTH
} = require('./wire.js')

const { SLOT, WORD, ASLEEP, ARMED, LOST, FOLLOW, WANTED, MEASURE, WEIGHING } = MARK

const kLink = Symbol('plimsoll.link')

let marks = new Int32Array(MARK.WORDS)
let wake = () => {}
let left = wake
let started = false
let isFollowing = false
let watching = false
/** The link of the noted request. */
let noted = null

/** Once per process, when its first server listens. The page is open. */
function start (directory) {
  if (started) return
  started = true
  const native = addon()
  const threshold = page.words()?.[STALL_THRESHOLD] || STALL_THRESHOLD_DEFAULT
  const pause = page.words()?.[PAUSE_THRESHOLD] || PAUSE_THRESHOLD_DEFAULT
  const buffer = native.watch?.(path.join(directory, CHANNEL_SOCKET), threshold, pause)
  if (!(buffer instanceof ArrayBuffer)) return
  marks = new Int32Array(buffer)
  wake = native.wake
  left = native.left
  watching = true
  memory.begin(marks, page.words()?.[SEMI_SPACE_GROWTH])
  churn.start(native, marks)
}

/** A part of the link's request begins: gives what `leave` is to be told. */
function enter (link) {
  const before = marks[SLOT]
  if (link.slot !== before) {
    marks[WORD] = link.word
    marks[SLOT] = link.slot
    noted = link
    if (marks[WANTED] !== 0) wanted(link)
    // The last thing before the app, so that a watchdog that falls asleep now sees the claim or is woken.
    if (Atomics.load(marks, ASLEEP) !== 0) woken()
  }
  return before
}

function wanted (link) {
  if ((marks[WANTED] & MEASURE) !== 0) memory.measure(marks)
  churn.enters(link)
}

function woken () {
  wake()
  if (marks[FOLLOW] === 0) return
  marks[FOLLOW] = 0
  if (isFollowing || !context.follow()) return
  isFollowing = true
  addon().follow(tellContext)
}

/** Called in the middle of whatever runs, when the watchdog asks. */
function tellContext () {
  note(context.current(), MARK.CONTEXT_SLOT, MARK.CONTEXT_WORD)
}

function note (running, slot, word) {
  if (running === null) return
  marks[word] = running.word
  marks[slot] = running.slot
}

/** The loop stood still, for a request that nobody knows, and has not turned since. */
function isLost () {
  return marks[LOST] !== 0
}

/** This one was answered first. */
function found (response) {
  marks[LOST] = 0
  const link = response.socket?.[kLink]
  // Another request may have come by the same link.
  if (link !== undefined && link.parser.incoming === response.req) note(link, MARK.ANSWERED_SLOT, MARK.ANSWERED_WORD)
}

/** The part is over. What it was inside of, if of another request, is not known to go on: nothing is noted. */
function leave (link, before) {
  if (link.slot === before) return
  marks[SLOT] = 0
  noted = null
  if (marks[ARMED] !== 0) ended(link)
}

function ended (link) {
  if ((marks[ARMED] & ~WEIGHING) !== 0) left()
  if ((marks[ARMED] & WEIGHING) !== 0) churn.leaves(link)
}

/** The link whose request's synchronous part runs; null: none is known. */
function running () {
  return noted
}

/**
 * The listeners for a request's body are parts of it, too. On the request and not on its prototype: what has no body, as
 * most requests, pays nothing.
 */
function watchBody (request) {
  if (watching && request.method !== 'GET' && request.method !== 'HEAD') {
    Object.defineProperty(request, 'emit', EMIT)
  }
}

const EMIT = {
  configurable: true,
  writable: true,
  value: function emit (event) {
    const emit = inherited(this)
    const isBody = event === 'data' || event === 'end' || event === 'readable'
    const link = isBody ? this.socket?.[kLink] : undefined
    // Another request may have come by the same link.
    if (link === undefined || link.parser.incoming !== this) return Reflect.apply(emit, this, arguments)
    const before = enter(link)
    try {
      return Reflect.apply(emit, this, arguments)
    } finally {
      leave(link, before)
    }
  }
}

/** Apps may have a class of their own, and objects that inherit from a request and with it this `emit`. */
function inherited (stream) {
  let above = Object.getPrototypeOf(stream)
  while (above.emit === EMIT.value) above = Object.getPrototypeOf(above)
  return above.emit
}

module.exports = { start, enter, leave, running, watchBody, isLost, found, kLink }
