'use strict'
// When the pools of a process tell of themselves; of time only what timers are asked for.
const assert = require('node:assert')
const { test } = require('node:test')
const { open } = require('../js/pools_all.js')

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

/** Timers that only the test lets run out. */
function holdTimers (t) {
  const armed = []
  const { setTimeout, clearTimeout } = globalThis
  globalThis.setTimeout = (run, ms) => {
    const timer = { run, ms, unref: () => timer }
    armed.push(timer)
    return timer
  }
  globalThis.clearTimeout = (timer) => { if (timer) armed.splice(armed.indexOf(timer), 1) }
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }))
  return (least, most) => {
    const place = armed.findIndex(({ ms }) => ms >= least && ms < most)
    if (place < 0) return false
    armed.splice(place, 1)[0].run()
    return true
  }
}

test('a queue that begins is told at once, and then once a second', (t) => {
  const runOut = holdTimers(t)
  let told = 0
  const pools = open(() => { told += 1 }, false)
  const target = {}
  const pool = pools.meet(target, ADAPTER)
  const soon = () => runOut(0, 500)
  const second = () => runOut(500, 2000)

  pool.begin(false, performance.now())
  assert.ok(!soon(), 'nobody waits')
  waiting = 1
  pool.wait(1, 4)
  pool.wait(2, 4)
  told = 0
  assert.ok(soon())
  assert.ok(told > 0)
  assert.ok(!soon(), 'only once')
  pool.wait(3, 4)
  assert.ok(!soon(), 'it lasts')
  assert.ok(second(), 'the usual timer goes on')

  waiting = 0
  pool.changed = true
  // What was waiting at the last report still counts in the next.
  for (const time of ['the first', 'the second']) {
    pool.figures(performance.now(), target)
    assert.ok(!soon(), time)
  }
  pool.wait(1, 4)
  assert.ok(soon(), 'another queue begins')
})
