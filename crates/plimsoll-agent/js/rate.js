'use strict'
// Calls per second: a bucket of tokens that fills as fast as the part of the rate that this process was lent.

class Bucket {
  #tokens = 0
  #perSecond = 0
  #most = 0
  #at = 0
  #isNew = true

  /** The part that was lent, of the whole rate and burst. */
  set (perSecond, limit, now) {
    this.#fill(now)
    this.#perSecond = perSecond
    // What was saved up of a call is kept where nothing is lent for a moment: where there is less than 1 per second for each
    // process they take turns, which are shorter than it takes to save up a whole one.
    this.#most = Math.max(1, limit.burst * perSecond / limit.rate)
    // One to begin with: what is lent may have come from a process that has used it just now.
    this.#tokens = this.#isNew && perSecond > 0 ? 1 : Math.min(this.#tokens, this.#most)
    if (perSecond > 0) this.#isNew = false
  }

  /** The lease is over: nothing is left of it, and nothing comes before the next, with which it begins anew. */
  end () {
    this.#tokens = 0
    this.#perSecond = 0
    this.#most = 0
    this.#isNew = true
  }

  /** Whether a call may begin, which then has been counted. */
  take (now) {
    this.#fill(now)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** How long until the next call may begin; infinite where nothing was lent. */
  waitMs () {
    return (1 - this.#tokens) * 1000 / this.#perSecond
  }

  #fill (now) {
    this.#tokens = Math.min(this.#most, this.#tokens + (now - this.#at) * this.#perSecond / 1000)
    this.#at = now
  }
}

module.exports = { Bucket }
