'use strict'
// Calls per second, of a part of the rate that is lent: by a clock that the test moves.
const assert = require('node:assert')
const { test } = require('node:test')
const { Call } = require('../js/call.js')
const { Origin } = require('../js/origin.js')
const { WATCHED } = require('../js/wire.js').CALLS

const LEASE_MS = 30_000
const LIMIT = {
  enforce: true,
  concurrency: 0,
  rate: 10,
  burst: 10,
  queue: 100,
  queueTimeoutMs: 1,
  perRequest: 0,
  adaptive: false,
  breaker: WATCHED.OFF,
  retryPercent: 0,
  retryLeast: 0
}

/** `begun(now)`: of so many calls so many begin at once. */
function originOf () {
  const asks = []
  const say = { ask: (number, budget, ...ask) => asks.push({ budget, ask }) }
  const origin = new Origin(0, 'http://a', say, false)
  origin.setLimit(LIMIT, 0)
  const begun = (calls, now) => {
    const made = Array.from({ length: calls }, () => new Call(origin, null))
    for (const call of made) origin.begin(call, now)
    const before = origin.inFlight
    for (const call of made) origin.end(call, now, 200)
    return before
  }
  const grant = (serial, amount, stamp) => origin.hear({ budget: 'rate', serial, amount, stamp, lengthMs: LEASE_MS }, stamp)
  return { asks, begun, grant, origin }
}

test('a lease that is over gives nothing, not even what was saved up, and the next gives again', () => {
  const { asks, begun, grant, origin } = originOf()
  grant(1, 10, 0)
  assert.strictEqual(begun(20, 1000), 10, 'the burst')
  assert.strictEqual(begun(20, LEASE_MS - 1), 10)
  // What was lent may be another's by now.
  assert.strictEqual(begun(20, LEASE_MS), 0)
  assert.strictEqual(begun(20, 2 * LEASE_MS), 0)
  origin.tick(2 * LEASE_MS)
  assert.deepStrictEqual(asks.filter(({ budget }) => budget === 'rate').at(-1).ask.slice(0, 3), [0, 10, 0], 'it is asked for anew')
  grant(1, 10, 2 * LEASE_MS)
  assert.strictEqual(begun(20, 2 * LEASE_MS), 1, 'as in a process that is new')
  assert.strictEqual(begun(20, 2 * LEASE_MS + 550), 5)
})

test('who has its turn for a moment only saves up for the next', () => {
  const { begun, grant } = originOf()
  let calls = 0
  for (let now = 0, serial = 0; now < 40_000; now += 150) {
    // One of four.
    grant(++serial, now % 600 === 0 ? 1 : 0, now)
    calls += begun(1, now + 149)
  }
  assert.ok(calls >= 10 && calls <= 11, `${calls} in 40 s of a quarter of 1/s`)
})
