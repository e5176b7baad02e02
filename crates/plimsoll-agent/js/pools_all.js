'use strict'
// All pools of this process, and the one timer that looks after them while something happens.
const { clearTimeout, outside, performance, setTimeout } = require('./apart.js')
const { Pool } = require('./pool.js')
const wire = require('./wire.js')

const { POOLS_MAX } = wire.POOLS
const REPORT_MS = 1000
/** Where connections are shared out over the workers. */
const LOOK_MS = 100
/** A queue that begins is told sooner: after a wait that is no chance. */
const SOON_MS = 110

let all = null

function open (say, hold) {
  all ??= new Pools(say, hold)
  return all
}

class Pools {
  #say
  #hold
  #pools = new Array(POOLS_MAX).fill(null)
  #timer = null
  #soon = null
  #reported = 0
  #isResting = false
  #isLooking = false
  #tick = () => this.#lookAround(false)

  constructor (say, hold) {
    this.#say = {
      pool: (...fields) => say(wire.pool(...fields)),
      ask: (...fields) => say(wire.poolAsk(...fields)),
      figures: (...fields) => say(wire.poolFigures(...fields)),
      leak: (...fields) => say(wire.poolLeak(...fields)),
      server: (...fields) => say(wire.poolServer(...fields)),
      gone: (number) => say(wire.poolGone(number)),
      awake: () => this.awake(),
      soon: () => this.#reportSoon()
    }
    this.#hold = hold
  }

  /** A pool is used for the first time; null: there are too many. */
  meet (target, adapter) {
    const number = this.#pools.indexOf(null)
    if (number < 0) return null
    const pool = new Pool(number, adapter, target, this.#say, this.#hold)
    this.#pools[number] = pool
    return pool
  }

  /** The pools are to be looked after. */
  awake () {
    // It is armed at the end, also where a look closes connections.
    if (this.#isLooking) return
    if (this.#timer === null) this.#begin()
    else if (this.#isResting) clearTimeout(this.#timer)
    else return
    this.#arm(true)
  }

  hear ({ pool: number, rule, grant }) {
    const pool = this.#pools[number]
    if (!pool) return
    try {
      if (rule) pool.setRule(rule, performance.now())
      else pool.hear(grant, performance.now())
      this.awake()
    } catch {
      this.#leave(pool)
    }
  }

  free () {
    this.#hold = false
    for (const pool of this.#pools) if (pool !== null) this.#free(pool)
  }

  /** A pool that holds lent connections and does nothing is looked at less often. */
  #arm (isActive) {
    const isShared = this.#pools.some((pool) => pool !== null && pool.enforced)
    this.#isResting = isShared && !isActive
    const ms = isShared && isActive ? LOOK_MS : REPORT_MS
    this.#timer = outside(() => setTimeout(this.#tick, ms).unref())
  }

  #begin () {
    this.#reported = performance.now()
    for (const pool of this.#pools) if (pool !== null) pool.since = this.#reported
  }

  #reportSoon () {
    this.#soon ??= outside(() => setTimeout(() => {
      this.#soon = null
      clearTimeout(this.#timer)
      this.#lookAround(true)
    }, SOON_MS).unref())
  }

  #lookAround (isDue) {
    this.#timer = null
    this.#isLooking = true
    const now = performance.now()
    const reports = isDue || now - this.#reported >= REPORT_MS - LOOK_MS / 2
    if (reports) this.#reported = now
    let busy = !reports
    const changed = this.#pools.some((pool) => pool !== null && pool.changed)
    for (const pool of this.#pools) {
      if (pool === null) continue
      try {
        pool.look(now)
        if (reports && this.#report(pool, now)) busy = true
      } catch {
        // A library of another make than we know: it is left alone.
        this.#leave(pool)
      }
    }
    this.#isLooking = false
    if (busy) this.#arm(!reports || changed || this.#pools.some((pool) => pool?.isSettling()))
  }

  #report (pool, now) {
    const target = pool.target.deref()
    if (target === undefined || pool.adapter.isEnded(target)) {
      this.#leave(pool)
      return false
    }
    const busy = pool.tick(now, target)
    if (!pool.changed) pool.since = now
    else if (pool.isIntroduced) this.#say.figures(pool.number, pool.figures(now, target))
    return busy
  }

  #leave (pool) {
    this.#pools[pool.number] = null
    if (pool.isIntroduced) this.#say.gone(pool.number)
    this.#free(pool)
  }

  #free (pool) {
    try {
      pool.free()
    } catch {
      // It stays as large as it is.
    }
  }
}

module.exports = { open }
