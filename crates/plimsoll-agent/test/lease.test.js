'use strict'
// The holder's side of a lease.
const assert = require('node:assert')
const { test } = require('node:test')
const { Lease } = require('../js/lease.js')

const LONG_MS = 60_000

test('each grant is acknowledged once, also where it changes nothing in what is held', () => {
  const asks = []
  const lease = new Lease((serial, wants, held) => asks.push([serial, wants, held]))
  const grant = (serial, amount) => lease.hear({ serial, amount, stamp: 0, lengthMs: LONG_MS })
  grant(1, 10)
  lease.ask(8, 8, 1)
  // It is asked to give, and may have some of it again before it has said anything.
  grant(2, 5)
  lease.ask(8, 8, 2)
  grant(3, 8)
  lease.ask(8, 8, 3)
  lease.ask(8, 8, 4)
  assert.deepStrictEqual(asks, [[1, 8, 10], [2, 8, 8], [3, 8, 8]])
})
