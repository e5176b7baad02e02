'use strict'
// What is ours and what is the app's, kept apart in one process.
//
// The timers of the agent are Node's own, taken before the app's first line. An app may put others in their place later:
// zone.js, to know when a page is rendered, would wait for every timer of ours; fake timers would stop them.
// No file of the agent uses the global ones: `cargo xtask tidy` looks.
const { AsyncResource } = require('node:async_hooks')
const { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = require('node:timers')

const { nextTick } = process

let clock = null

/** As the global one, whatever the app makes of that. Taken when the first server listens: Node has to load it. */
function makeClock () {
  const { performance } = require('node:perf_hooks')
  return {
    now: performance.now.bind(performance),
    eventLoopUtilization: performance.eventLoopUtilization.bind(performance),
    timeOrigin: performance.timeOrigin
  }
}

/** Made before the first request. Hooks of the app's, which are made later, have not heard of it. */
const nobody = new AsyncResource('PLIMSOLL', { requireManualDestroy: true })

/**
 * Runs a step that begins something of ours, as a timer, in nobody's async context. A timer that begins itself anew would
 * else keep what the app has stored for the request that happened to be the first, and pass it on to all that it does.
 */
function outside (step) {
  return nobody.runInAsyncScope(step)
}

/** For one of many, of which nobody waits for the end: what the app's code throws is the app's error, and the others go on. */
function apart (step) {
  try {
    step()
  } catch (error) {
    nextTick(() => { throw error })
  }
}

module.exports = {
  apart,
  clearInterval,
  clearTimeout,
  nextTick,
  outside,
  setImmediate,
  setInterval,
  setTimeout,
  get performance () {
    return clock ??= makeClock()
  }
}
