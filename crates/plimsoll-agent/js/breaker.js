'use strict'
// The worker's part of a circuit breaker: it tells what became of the calls, and knows whether more may be made. The
// supervisor decides, for all workers together.
const { performance, setImmediate } = require('./apart.js')
const { GIVEN_UP, RUNNING } = require('./call.js')
const { Seldom } = require('./seldom.js')
const { WATCHED } = require('./wire.js').CALLS

// Where it only computes, and nothing failed, it is told so seldom, in ticks.
const SELDOM = 10
// After a trial, until the supervisor says what follows.
const DECIDES_MS = 1000
// What is tried has so long to end, as the supervisor counts it; then another call may be tried.
const PROBE_MAX_MS = 10_000
const AGO_MAX_MS = 2 ** 31

class Breaker {
  constructor (number, say, watched) {
    this.number = number
    this.say = say
    this.holds = watched === WATCHED.ENFORCE
    /** Calls are refused until then; after it one may be tried. */
    this.isOpen = false
    this.until = 0
    this.why = ''
    /** The call that is to be tried, in `line` until it may be. */
    this.probe = null
    this.probeAt = 0
    this.line = new Set()
    /** Not yet told. */
    this.calls = 0
    this.failed = 0
    this.gateway = 0
    this.run = 0
    this.gatewayRun = 0
    this.okAt = -Infinity
    this.isDue = false
    this.ticks = 0
    /** Calls that were refused. */
    this.seldom = new Seldom()
  }

  /** A call is over. */
  ended (call, status, how, now) {
    const isGivenUp = status === 0 && how === GIVEN_UP
    const isFailed = !isGivenUp && (status === 0 || status >= 500)
    if (call === this.probe) this.tried(isGivenUp ? 'nothing' : isFailed ? 'failed' : 'answered', now)
    if (isGivenUp) return
    this.calls += 1
    if (!isFailed) {
      this.okAt = now
      this.run = this.gatewayRun = 0
      return
    }
    this.failed += 1
    this.run += 1
    if (status === 0 || (status >= 502 && status <= 504)) {
      this.gateway += 1
      this.gatewayRun += 1
    } else {
      this.gatewayRun = 0
    }
    if (!this.holds || this.isDue) return
    this.isDue = true
    // What fails in the same turn of the loop is told together.
    setImmediate(() => this.tell())
  }

  /** Ten times a second. */
  tick (now) {
    // It may be an answer without end.
    const status = this.probe?.state === RUNNING ? this.probe.statusSoFar() : 0
    if (status > 0 && status < 500) this.tried('answered', now)
    this.ticks += 1
    if (this.calls > 0 && (this.holds || this.failed > 0 || this.ticks >= SELDOM)) this.tell()
  }

  tell () {
    this.isDue = false
    this.ticks = 0
    if (this.calls === 0) return
    const { calls, failed, gateway, run, gatewayRun } = this
    const okAgoMs = Math.min(AGO_MAX_MS, Math.max(0, Math.round(performance.now() - this.okAt)))
    this.say.outcomes(this.number, { calls, failed, gateway, run, gatewayRun, okAgoMs })
    this.calls = this.failed = this.gateway = this.run = this.gatewayRun = 0
  }

  /** A call of this request was refused. */
  refused ({ slot, word }, now) {
    if (slot === 0 || !this.seldom.isDue(now)) return
    this.seldom.said(now)
    this.say.broken(this.number, slot - 1, word)
  }

  /** The time is over, and nothing is tried but what may never end. */
  mayAsk (now) {
    return now >= this.until && (this.probe === null || now >= this.probeAt + PROBE_MAX_MS)
  }

  /** A call that was tried before and still runs is one like all others from now on. */
  ask (call, now) {
    this.probe = call
    this.probeAt = now
    this.say.probe(this.number)
  }

  /** What came of the call that was to be tried. */
  tried (what, now) {
    this.probe = null
    this.until = Math.max(this.until, now + DECIDES_MS)
    this.say.probed(this.number, what)
  }

  /** The supervisor says how it stands. */
  hear ({ state, forMs, why }, now) {
    if (state === 'closed') {
      this.isOpen = false
      this.probe = null
    } else if (state === 'open') {
      this.isOpen = this.holds
      this.until = now + forMs
      this.why = why
      if (this.line.size === 0) return
      if (forMs === 0) this.say.probe(this.number)
      else this.probe = null
    } else if (this.probe === null) {
      // It was given up meanwhile.
      this.say.probed(this.number, 'nothing')
    } else {
      // Not before the supervisor's own time begins.
      this.probeAt = now
    }
  }
}

/** Whether a call failed in a way that makes apps try again. */
function isRepeatable (status, how) {
  return status === 0 ? how !== GIVEN_UP : status >= 500 || status === 408 || status === 429
}

module.exports = { Breaker, isRepeatable }
