'use strict'
// What would be said too often is said now and then: of what requests do, so much is told with the request, from which the
// supervisor knows the route.
const EVERY_MS = 50

class Seldom {
  #everyMs
  #saidAt = -Infinity

  constructor (everyMs = EVERY_MS) {
    this.#everyMs = everyMs
  }

  /** Whether it may be said now. */
  isDue (now) {
    return now - this.#saidAt >= this.#everyMs
  }

  said (now) {
    this.#saidAt = now
  }
}

module.exports = { Seldom }
