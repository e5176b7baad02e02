'use strict'
// Pools of `undici` that have a limit: who waits for a connection, and for how long. Without one nothing can wait, and what is
// asked of which origin is seen by calls_undici.js. A request of a pool is known again by its handler.
const { symbolOf } = require('./hidden.js')
const { patch } = require('./patch.js')
const { Wait, Waits } = require('./waits.js')

const kState = Symbol('plimsoll.state')
const kTracked = Symbol('plimsoll.tracked')

/** What waits or is under way, by its handler. */
const turns = new WeakMap()
/** An object of a class has the same symbols as any other. */
const symbols = new Map()

const adapter = {
  library: 'undici',
  open: (pool) => part(pool, 'clients').length,
  idle: (pool) => Math.max(0, part(pool, 'clients').length - pool[kState].running),
  max: (pool) => part(pool, 'connections'),
  isEnded: (pool) => pool.closed === true || pool.destroyed === true,
  held () {},

  waiting (pool) {
    const { waits } = pool[kState]
    // A request that undici refused at once has told nobody.
    if (waits.size > 0 && pool.stats.pending === 0) waits.clear()
    return waits.size
  },

  oldest: (pool) => pool[kState].waits.first?.at,

  describe (pool) {
    const url = part(pool, 'url')
    const { protocol, hostname, port } = typeof url === 'string' ? new URL(url) : url
    return { server: `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`, database: '' }
  }
}

/** One request in a pool. */
class Turn extends Wait {
  constructor (pool, state, at) {
    super(at)
    this.pool = pool
    this.state = state
    this.begunAt = 0
  }

  begins () {
    if (this.begunAt > 0) return
    const { pool, state } = this
    this.begunAt = performance.now()
    state.waits.delete(this)
    state.running += 1
    pool.take(this.begunAt - this.at, state.running)
  }

  ends () {
    const { pool, state } = this
    if (this.begunAt > 0) {
      state.running -= 1
      pool.give(performance.now() - this.begunAt)
    } else if (state.waits.delete(this)) {
      pool.giveUp()
    }
  }
}

function install (exported, of) {
  if (exported?.PoolBase) watchPools(exported.PoolBase.prototype, of)
  else if (typeof exported?.prototype?.onConnect === 'function') watchRequests(exported.prototype)
}

function watchPools (prototype, of) {
  const dispatch = symbolOf(prototype, 'dispatch')
  if (dispatch === undefined || prototype[kTracked]) return
  prototype[kTracked] = true
  patch(prototype, dispatch, (original) => function (options, handler) {
    const turn = part(this, 'connections') > 0 ? turnOf(this, of) : null
    if (turn !== null) turns.set(handler, turn)
    const result = original.call(this, options, handler)
    if (turn !== null && turn.begunAt === 0) turn.pool.wait(turn.state.waits.size, turn.state.running)
    return result
  })
}

function turnOf (target, of) {
  target[kState] ??= { waits: new Waits(), running: 0 }
  const pool = of(target, adapter)
  if (pool === null) return null
  const at = performance.now()
  pool.begin(false, at)
  const turn = new Turn(pool, target[kState], at)
  target[kState].waits.add(turn)
  return turn
}

function watchRequests (prototype) {
  if (prototype[kTracked]) return
  prototype[kTracked] = true
  for (const [method, happens] of [['onConnect', 'begins'], ['onComplete', 'ends'], ['onError', 'ends'], ['onUpgrade', 'ends']]) {
    patch(prototype, method, (original) => function (...options) {
      const handler = part(this, 'handler')
      const turn = turns.get(handler)
      if (turn !== undefined) {
        turn[happens]()
        if (happens === 'ends') turns.delete(handler)
      }
      return Reflect.apply(original, this, options)
    })
  }
}

/** What stands in an object under a symbol of this description. */
function part (object, description) {
  const known = symbols.get(object.constructor)?.[description]
  if (known !== undefined) return object[known]
  const symbol = symbolOf(object, description)
  if (symbol === undefined) return undefined
  symbols.set(object.constructor, { ...symbols.get(object.constructor), [description]: symbol })
  return object[symbol]
}

module.exports = { install }
