'use strict'
// How unevenly something is asked for.
const assert = require('node:assert')
const { test } = require('node:test')
const { Spread } = require('../js/spread.js')

/** The spread of a second in which it is asked for at these times. */
function spreadOf (times, from = 5000) {
  const spread = new Spread()
  for (const at of times) spread.add(from + at)
  return spread.take(from + 1000)
}

test('it is none at even distances, and as large as the bursts are', () => {
  assert.strictEqual(spreadOf([]), 0)
  assert.strictEqual(spreadOf(Array.from({ length: 250 }, (_, index) => index * 4)), 0)
  // All at once, in one of ten tenths: of 50, the mean is 5 and the variance 250.
  assert.ok(Math.abs(spreadOf(new Array(50).fill(0)) - 50) < 1e-9)
})

test('what comes independently of one another has a spread of about one', () => {
  let seed = 4711
  const random = () => (seed = seed * 48271 % 0x7fffffff) / 0x7fffffff
  let sum = 0
  for (let second = 0; second < 400; second++) {
    sum += spreadOf(Array.from({ length: 250 }, () => random() * 1000).sort((a, b) => a - b))
  }
  assert.ok(sum / 400 > 0.9 && sum / 400 < 1.1, `${sum / 400}`)
})

test('it does not matter when it is asked', () => {
  const spread = new Spread()
  let sum = 0
  for (let at = 5000, second = 0; second < 100; second++) {
    for (const until = 5037 + second * 1003; at < until; at += 4) spread.add(at)
    sum += spread.take(5037 + second * 1003)
  }
  assert.strictEqual(sum, 0)
})

test('less than half a second says nothing, and waits for more', () => {
  const spread = new Spread()
  for (let at = 5000; at < 5110; at += 4) spread.add(at)
  assert.strictEqual(spread.take(5110), 1)
  for (let at = 5110; at < 6110; at += 4) spread.add(at)
  assert.ok(spread.take(6110) < 0.3)
})

test('a pause before says nothing of what comes', () => {
  const spread = new Spread()
  spread.add(1000)
  spread.take(2000)
  for (let at = 60_000; at < 60_500; at += 4) spread.add(at)
  assert.strictEqual(spread.take(60_500), 0)
  // Nor what was not told before it.
  for (let at = 70_000; at < 70_200; at += 4) spread.add(at)
  assert.strictEqual(spread.take(70_200), 1)
  for (let at = 90_000; at < 91_000; at += 4) spread.add(at)
  assert.strictEqual(spread.take(91_000), 0)
})
