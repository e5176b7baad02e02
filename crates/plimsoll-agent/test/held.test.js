'use strict'
// Who holds a connection of a pool.
const assert = require('node:assert')
const { test } = require('node:test')
const { give, isHeld, isNew, take, visitHeld } = require('../js/held.js')

test('what is given back was held for as long as it was', () => {
  const [connection, times] = [{}, []]
  const pool = { give: (ms) => times.push(ms) }
  assert.ok(isNew(connection) && !isHeld(connection))
  take(connection, 10, 'taker')
  assert.ok(isHeld(connection))
  give(connection, pool, 25)
  assert.ok(!isNew(connection) && !isHeld(connection))
  give(connection, pool, 30)
  assert.deepStrictEqual(times, [15])
})

test('one that was taken while nobody watched is new when it is first taken afterwards', () => {
  const connection = {}
  give(connection, undefined, 10)
  assert.ok(isNew(connection))
})

test('that it is held for long is told once', () => {
  const held = {}
  take(held, 10, 'taker')
  const seen = []
  const visit = (since, taker, isTold) => { seen.push([since, taker, isTold]); return !isTold }
  visitHeld([held, {}], visit)
  visitHeld([held, {}], visit)
  assert.deepStrictEqual(seen, [[10, 'taker', false], [10, 'taker', true]])
  const times = []
  give(held, { give: (ms) => times.push(ms) }, 30)
  assert.deepStrictEqual(times, [20])
})
