'use strict'
// What was seen of the calls to one origin since the process began: the crate's `Figures`, under its names.
const { TIMED_OUT, GIVEN_UP } = require('./call.js')
const { CALLS } = require('./wire.js')

const { BOUNDS_MS, FIGURES } = CALLS

// The fan-outs of which the 99th percentile is told.
const FAN_OUTS = 256

// Plain fields: private ones cost time on Node 18 and 20.
class Seen {
  constructor () {
    /** There is something to report. */
    this.changed = false
    this.calls = 0
    this.errors = 0
    this.timeouts = 0
    this.given_up = 0
    this.failed = 0
    this.queued = 0
    this.waited_ms = 0
    this.refused = 0
    this.took_ms = 0
    /** Since the last report. */
    this.peak = 0
    this.abandoned = 0
    /** Of http2: sessions, and their streams that are open and that are over. */
    this.sessions = 0
    this.streams = 0
    this.unlimited = 0
    this.broken = 0
    this.retries = 0
    this.retries_refused = 0
    this.fan_outs = 0
    this.fan_out_max = 0
    /** The widest that was told with its request. */
    this.fan_out_told = 0
    this.durations = new Array(BOUNDS_MS.length + 1).fill(0)
    this.recentFanOuts = []
  }

  begun (inFlight) {
    this.changed = true
    if (inFlight > this.peak) this.peak = inFlight
  }

  /** A call has ended. `status` is 0 where there was no answer, or a broken one. */
  ended (tookMs, status, how) {
    this.changed = true
    this.calls += 1
    this.took_ms += tookMs
    if (status === 0) {
      this.errors += 1
      if (how === TIMED_OUT) this.timeouts += 1
      else if (how === GIVEN_UP) this.given_up += 1
    } else if (status >= 500) {
      this.failed += 1
    }
    let bucket = 0
    while (bucket < BOUNDS_MS.length && tookMs > BOUNDS_MS[bucket]) bucket++
    this.durations[bucket] += 1
  }

  waited (ms) {
    this.queued += 1
    this.waited_ms += ms
  }

  wasRefused (figure) {
    this.changed = true
    this[figure] += 1
  }

  /** The parallel calls of one request have ended. */
  fannedOut (calls) {
    if (this.recentFanOuts.length < FAN_OUTS) this.recentFanOuts.push(calls)
    else this.recentFanOuts[this.fan_outs % FAN_OUTS] = calls
    this.fan_outs += 1
    if (calls > this.fan_out_max) this.fan_out_max = calls
  }

  /** All of them, in the crate's order. `others` has what is not counted here, by name. */
  report (others) {
    this.changed = false
    const all = { ...others, fan_out_p99: this.#fanOutP99() }
    const numbers = FIGURES.map((name) => Math.round(this[name] ?? all[name]))
    this.peak = others.in_flight
    return numbers.concat(this.durations)
  }

  #fanOutP99 () {
    const sorted = this.recentFanOuts.slice().sort((a, b) => a - b)
    return sorted.length === 0 ? 0 : sorted[Math.ceil(sorted.length * 0.99) - 1]
  }
}

module.exports = { Seen }
