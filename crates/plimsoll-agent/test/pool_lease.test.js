'use strict'
// What a pool asks for and how large it is made, where its connections are lent. The pool only pretends.
const assert = require('node:assert')
const { test } = require('node:test')
const { Pool } = require('../js/pool.js')

const LONG_MS = 60_000
const RULE = { enforce: true, mayGrow: false, inspect: false, leakAfterMs: 0, waitTimeoutMs: 0 }

/** `target` has `max`, `open` and `waiting`; `asks` are those that were sent. `own`: what the adapter does otherwise. */
function poolOf (target, own = {}) {
  const asks = []
  const say = { awake () {}, soon () {}, pool () {}, ask: (number, serial, wants, held) => asks.push({ wants, held }) }
  const adapter = {
    library: 'made-up',
    max: (target) => target.max,
    setMax: (target, max) => { target.max = max },
    open: (target) => target.open,
    idle: () => 0,
    waiting: (target) => target.waiting,
    oldest: () => null,
    closeIdle () {},
    wake () {},
    describe: () => ({ server: 'db:1', database: 'shop' }),
    ...own
  }
  const pool = new Pool(0, adapter, target, say, true)
  return { pool, asks }
}

const SIZES = [[12.5, 12], [0.5, 1], ['7', 7], [-3, 100], [NaN, 100], [0, 100], [Infinity, 100]]

for (const [max, wanted] of SIZES) {
  test(`a pool of at most ${typeof max} ${max} asks for whole connections: ${wanted} of 100`, () => {
    const target = { max, open: 0, waiting: 100 }
    const { pool, asks } = poolOf(target)
    pool.setRule(RULE, 0)
    pool.wait(100, 0)
    pool.hear({ serial: 1, amount: 90, stamp: 0, lengthMs: LONG_MS }, 1)
    assert.deepStrictEqual(asks, [{ wants: wanted, held: 0 }, { wants: wanted, held: 90 }])
    assert.strictEqual(target.max, Math.min(wanted, 90))
    pool.free()
    assert.strictEqual(target.max, max, 'as the app set it')
  })
}

test('whatever a library says, what is asked for can be read', () => {
  const target = { max: 10, open: NaN, waiting: 2 }
  const { pool, asks } = poolOf(target)
  pool.setRule({ ...RULE, mayGrow: true }, 0)
  target.open = -1
  target.waiting = 2 ** 40
  for (let look = 2; look < 6; look++) pool.look(look * 100)
  for (const { wants, held } of asks) for (const number of [wants, held]) assert.strictEqual(number >>> 0, number, `${wants} ${held}`)
  assert.deepStrictEqual(asks.at(-1), { wants: 2 ** 32 - 1, held: 0 })
})

test('who rested for longer than its lease opens no more than one connection before the next', () => {
  const target = { max: 10, open: 0, waiting: 0 }
  const { pool, asks } = poolOf(target)
  pool.setRule(RULE, 0)
  pool.hear({ serial: 1, amount: 5, stamp: 0, lengthMs: LONG_MS }, 1)
  pool.begin(false, LONG_MS - 1)
  assert.strictEqual(target.max, 5)
  // No connection is open, and nobody looks after the pool.
  pool.begin(false, LONG_MS)
  assert.strictEqual(target.max, 1)
  pool.look(LONG_MS + 100)
  assert.strictEqual(asks.at(-1).held, 0)
  pool.hear({ serial: 1, amount: 3, stamp: LONG_MS, lengthMs: LONG_MS }, LONG_MS)
  assert.strictEqual(target.max, 3)
})

test('a pool that cannot be made smaller after all is as large as the app made it', () => {
  const target = { max: 10, open: 6, waiting: 0 }
  const { pool } = poolOf(target, { closeIdle () { throw new TypeError('it is of another make') } })
  for (const amount of [2, 3]) {
    pool.setRule(RULE, 0)
    pool.hear({ serial: 1, amount, stamp: 0, lengthMs: LONG_MS }, 1)
    pool.look(2)
    assert.strictEqual(target.max, 10)
  }
})
