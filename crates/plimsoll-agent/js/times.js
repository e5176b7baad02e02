'use strict'
// How many took how long, in buckets that are fine enough for a percentile: the crate's `Times`.
const { POOLS } = require('./wire.js')

const { DECADE_US, DECADES } = POOLS
const BOUNDS_MS = Float64Array.from({ length: DECADE_US.length * DECADES }, (_, place) =>
  DECADE_US[place % DECADE_US.length] * 10 ** Math.floor(place / DECADE_US.length) / 1000)

class Times {
  counts = new Float64Array(BOUNDS_MS.length + 1)

  add (ms) {
    // Most waits are none.
    if (ms <= BOUNDS_MS[0]) {
      this.counts[0] += 1
      return
    }
    let low = 0
    let high = BOUNDS_MS.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (BOUNDS_MS[middle] < ms) low = middle + 1
      else high = middle
    }
    this.counts[low] += 1
  }
}

module.exports = { Times, BOUNDS_MS }
