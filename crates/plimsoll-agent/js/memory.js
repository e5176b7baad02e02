'use strict'
// Measures what the process holds in memory, and notes it where the watchdog's thread reads it. Only V8 and Node know
// some of it, and only on their own thread: so it is done when a request begins and the watchdog has asked since, which
// it does twice a second while it is awake. A process without requests is not measured, and is not woken for it.
const v8 = require('node:v8')
const tax = require('./tax.js')
const { HEAP_USED, HEAP_TOTAL, HEAP_LIMIT, EXTERNAL, ARRAY_BUFFERS, WANTED, MEASURE, GROW } = require('./wire.js').MARK

const UNIT = 1024

// As they are now: what the app makes of them later is its own affair.
const memoryUsage = process.memoryUsage
const { getHeapStatistics, setFlagsFromString } = v8

/** By how much semi-spaces grow at once when it pays; 0: as V8 does it. */
let growth = 0

/** What is not the app's, though V8 counts it. */
let borrowed = 0

/** Memory of the gateway's was made an array buffer here. */
function borrow (bytes) {
  borrowed += bytes
}

/** Notes what there is now. Never throws. */
function measure (marks) {
  if ((Atomics.and(marks, WANTED, ~(MEASURE | GROW)) & GROW) !== 0) grow()
  try {
    const { heapUsed, heapTotal, external, arrayBuffers } = Reflect.apply(memoryUsage, process, [])
    marks[HEAP_USED] = heapUsed / UNIT
    marks[HEAP_TOTAL] = heapTotal / UNIT
    // In some versions `external` counts what array buffers hold, in all of them it should.
    marks[EXTERNAL] = Math.max(external - borrowed, arrayBuffers) / UNIT
    marks[ARRAY_BUFFERS] = arrayBuffers / UNIT
  } catch {
    // An app may forbid it, or have replaced what is behind it.
  }
  tax.look()
}

/** The first time, with what does not change. `factor`: by how much semi-spaces may grow at once; 0: as V8 does it. */
function begin (marks, factor = 0) {
  growth = factor
  measure(marks)
  try {
    marks[HEAP_LIMIT] = getHeapStatistics().heap_size_limit / UNIT
  } catch {
    // As above: then the limit is not known.
  }
}

/** The watchdog has seen that collections of young objects take long. */
function grow () {
  if (growth <= 1) return
  try {
    // Of those that may be set while the engine runs: it is looked at when a semi-space grows.
    setFlagsFromString(`--semi-space-growth-factor=${growth}`)
  } catch {
    // Forbidden, as above.
  }
  growth = 0
}

module.exports = { begin, borrow, measure }
