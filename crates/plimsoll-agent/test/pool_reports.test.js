'use strict'
// When the pools of a process tell of themselves, by a clock that only timers move.
const assert = require('node:assert')
const { test } = require('node:test')
const apart = require('../js/apart.js')

let clock = 1000
const runOut = holdTimers()
const { open } = require('../js/pools_all.js')
const { POOLS } = require('../js/wire.js')

const ADAPTER = {
  library: 'made-up',
  max: () => 4,
  open: () => connections,
  idle: () => connections - inUse,
  waiting: () => waiting,
  oldest: () => null,
  isEnded: () => false,
  describe: () => ({ server: 'db:1', database: 'shop' })
}
let connections = 4
let inUse = 4
let waiting = 0
let told = 0
let last = null
const pools = open((bytes) => {
  told += 1
  last = bytes
}, false)

/** What the last report is about; before its numbers stand ten bytes of length, kind and the pool's number. */
function overMs () {
  return Number(last.toString('latin1', 10).split(' ')[POOLS.FIGURES.indexOf('over_us')]) / 1000
}

/** Timers that only the test lets run out, for whoever is loaded from now on. */
function holdTimers () {
  const armed = []
  apart.performance.now = () => clock
  apart.setTimeout = (run, ms) => {
    const timer = { run, ms, unref: () => timer }
    armed.push(timer)
    return timer
  }
  apart.clearTimeout = (timer) => { if (timer) armed.splice(armed.indexOf(timer), 1) }
  return (least, most) => {
    const place = armed.findIndex(({ ms }) => ms >= least && ms < most)
    if (place < 0) return false
    const [{ run, ms }] = armed.splice(place, 1)
    clock += ms
    run()
    return true
  }
}

test('a queue that begins is told at once, and then once a second, and each says what it is about', () => {
  const target = {}
  const pool = pools.meet(target, ADAPTER)
  const soon = () => runOut(0, 500)
  const second = () => runOut(500, 2000)
  const tells = (act) => {
    const before = told
    assert.ok(act())
    return told > before
  }
  /** What was waiting at the last report still counts in the next. */
  const calm = () => {
    waiting = 0
    for (let reports = 0; reports < 2; reports++) pool.figures(clock, target)
  }

  pool.begin(false, clock)
  assert.ok(!soon(), 'nobody waits')
  waiting = 1
  pool.wait(1, 4)
  assert.ok(tells(soon), 'also where nothing was told yet')
  assert.strictEqual(overMs(), 110)
  for (let seconds = 0; seconds < 3; seconds++) {
    assert.ok(tells(second), 'also while nothing moves')
    assert.strictEqual(overMs(), 1000)
  }

  calm()
  waiting = 1
  pool.wait(1, 4)
  pool.wait(2, 4)
  assert.ok(tells(soon))
  assert.ok(!soon(), 'only once')
  pool.wait(3, 4)
  assert.ok(!soon(), 'it lasts')
  assert.ok(tells(second), 'the usual timer goes on')

  calm()
  pool.wait(1, 4)
  assert.ok(soon(), 'another queue begins')
})

/** A report more of a pool, and how many are open by it; null: there is none. */
function reportsOpen () {
  last = null
  while (runOut(500, 2000)) if (last !== null) return Number(last.toString('latin1', 10).split(' ')[POOLS.FIGURES.indexOf('open')])
  return null
}

test('a connection that is closed long after the last use is told', () => {
  waiting = inUse = 0
  const target = {}
  const pool = pools.meet(target, ADAPTER)
  pool.begin(false, clock)
  while (reportsOpen() !== null);
  assert.ok(!runOut(0, Infinity), 'nothing is looked at any more')
  connections = 3
  pool.leaves()
  assert.strictEqual(reportsOpen(), 3)
  assert.strictEqual(reportsOpen(), null)
})
