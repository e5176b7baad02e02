'use strict'
// How unevenly something is asked for: the variance of how many in a tenth of a second, against their mean. 0 where they come
// at even distances, 1 where they come independently of one another, more where they come in bursts.

const SLOT_MS = 100
/** Fewer tenths say nothing: they wait for more. */
const SLOTS_LEAST = 5
/** After so long without any, what was before says nothing of what comes. */
const PAUSE_MS = 2000

class Spread {
  constructor () {
    this.since = 0
    this.last = 0
    /** Until when the current tenth lasts, and how many came in it. */
    this.until = 0
    this.count = 0
    this.all = 0
    this.squares = 0
  }

  add (at) {
    if (at >= this.until) this.#next(at)
    this.count += 1
  }

  /** What is to be said of the whole tenths since it was asked last. Of few nothing is known: as if they were independent. */
  take (now) {
    if (now >= this.until) this.#close()
    const { all, squares, since } = this
    const begun = beginOf(now)
    if (all > 0 && begun - since < SLOTS_LEAST * SLOT_MS) return 1
    this.since = begun
    this.all = 0
    this.squares = 0
    if (all === 0) return 0
    const slots = (begun - since) / SLOT_MS
    const mean = all / slots
    return Math.max(0, (squares - all * mean) / (slots - 1)) / mean
  }

  #next (at) {
    this.#close()
    const begun = beginOf(at)
    if (at - this.last > PAUSE_MS) {
      this.all = 0
      this.squares = 0
      this.since = begun
    }
    this.last = at
    this.until = begun + SLOT_MS
  }

  #close () {
    this.all += this.count
    this.squares += this.count * this.count
    this.count = 0
  }
}

/** When the tenth began that is now. */
function beginOf (at) {
  return Math.floor(at / SLOT_MS) * SLOT_MS
}

module.exports = { Spread }
