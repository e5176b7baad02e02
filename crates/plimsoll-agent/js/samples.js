'use strict'
// How long calls to one origin took since the last tick: some of them, for a limit that is found out.
const { follow, lateBy } = require('./lateness.js')
const { CALLS } = require('./wire.js')

const { SAMPLES_MAX } = CALLS
const US_MAX = 2 ** 32 - 1

class Samples {
  #took = []
  #count = 0

  /** A call has ended that ran for so long. */
  add (ms, now) {
    const late = lateBy(now)
    // Where most of it was our own lateness it says nothing about the service.
    if (late > ms / 2) return
    const us = Math.min(US_MAX, Math.round((ms - late) * 1000))
    this.#count += 1
    if (this.#took.length < SAMPLES_MAX) this.#took.push(us)
    else if (Math.random() * this.#count < SAMPLES_MAX) this.#took[Math.floor(Math.random() * SAMPLES_MAX)] = us
  }

  /** Those since it was asked last. */
  take (now) {
    follow(now)
    const took = this.#took
    this.#took = []
    this.#count = 0
    return took
  }
}

module.exports = { Samples }
