'use strict'
// When the pools of a process tell of themselves, by a clock that only timers move.
const assert = require('node:assert')
const { test } = require('node:test')
const { open } = require('../js/pools_all.js')
const { POOLS } = require('../js/wire.js')

const ADAPTER = {
  library: 'made-up',
  max: () => 4,
  open: () => 4,
  idle: () => 0,
  waiting: () => waiting,
  oldest: () => null,
  isEnded: () => false,
  describe: () => ({ server: 'db:1', database: 'shop' })
}
let waiting = 0
let told = 0
let clock = performance.now()
let last = null
const pools = open((bytes) => {
  told += 1
  last = bytes
}, false)

/** What the last report is about; before its numbers stand ten bytes of length, kind and the pool's number. */
function overMs () {
  return Number(last.toString('latin1', 10).split(' ')[POOLS.FIGURES.indexOf('over_us')]) / 1000
}

/** Timers that only the test lets run out. */
function holdTimers (t) {
  const armed = []
  const { setTimeout, clearTimeout } = globalThis
  const { now } = performance
  Object.defineProperty(performance, 'now', { value: () => clock, configurable: true })
  globalThis.setTimeout = (run, ms) => {
    const timer = { run, ms, unref: () => timer }
    armed.push(timer)
    return timer
  }
  globalThis.clearTimeout = (timer) => { if (timer) armed.splice(armed.indexOf(timer), 1) }
  t.after(() => {
    Object.assign(globalThis, { setTimeout, clearTimeout })
    Object.defineProperty(performance, 'now', { value: now, configurable: true })
  })
  return (least, most) => {
    const place = armed.findIndex(({ ms }) => ms >= least && ms < most)
    if (place < 0) return false
    const [{ run, ms }] = armed.splice(place, 1)
    clock += ms
    run()
    return true
  }
}

test('a queue that begins is told at once, and then once a second, and each says what it is about', (t) => {
  const runOut = holdTimers(t)
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
  pool.changed = true
  assert.ok(tells(second))
  assert.strictEqual(overMs(), 1000)

  calm()
  waiting = 1
  pool.wait(1, 4)
  pool.wait(2, 4)
  pool.changed = true
  assert.ok(tells(soon))
  assert.ok(!soon(), 'only once')
  pool.wait(3, 4)
  assert.ok(!soon(), 'it lasts')
  pool.changed = true
  assert.ok(tells(second), 'the usual timer goes on')

  calm()
  pool.wait(1, 4)
  assert.ok(soon(), 'another queue begins')
})
