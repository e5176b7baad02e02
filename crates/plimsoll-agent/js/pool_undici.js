'use strict'
// Pools of `undici` that have a limit: who waits for a connection, and for how long. Without one nothing can wait, and what is
// asked of which origin is seen by calls_undici.js. A request of a pool is known again by its handler.
const { performance } = require('./apart.js')
const { symbolOf } = require('./hidden.js')
const { patch } = require('./patch.js')
const { Wait, Waits } = require('./waits.js')

const kState = Symbol('plimsoll.state')
const kTracked = Symbol('plimsoll.tracked')

/** What waits or is under way, by its handler. */
const turns = new WeakMap()
/** Folders of copies of undici whose requests tell when they begin and end: without that nobody could be seen to wait no longer. */
const telling = new Set()
/** What a request is told, up to undici 7 and from 8 on. */
const BEGINS = ['onConnect', 'onRequestStart']
const ENDS = ['onComplete', 'onError', 'onUpgrade', 'onResponseEnd', 'onResponseError', 'onRequestUpgrade']
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

function install (exported, of, file) {
  const [folder] = /^.*(?=[\\/]lib[\\/])/.exec(file)
  if (exported?.PoolBase) watchPools(exported.PoolBase.prototype, of, folder)
  else if (exported?.prototype && watchRequests(exported.prototype)) telling.add(folder)
}

/** Which of the two files is loaded first is not known. */
function watchPools (prototype, of, folder) {
  const dispatch = symbolOf(prototype, 'dispatch')
  if (dispatch === undefined || prototype[kTracked]) return
  prototype[kTracked] = true
  patch(prototype, dispatch, (original) => function (options, handler) {
    const turn = part(this, 'connections') > 0 && telling.has(folder) ? turnOf(this, of) : null
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

/** False: it cannot be. */
function watchRequests (prototype) {
  const has = (method) => typeof prototype[method] === 'function'
  const [begins, ends] = [BEGINS.filter(has), ENDS.filter(has)]
  if (begins.length === 0 || ends.length === 0) return false
  if (prototype[kTracked]) return true
  prototype[kTracked] = true
  for (const method of begins) patch(prototype, method, (original) => told(original, 'begins'))
  for (const method of ends) patch(prototype, method, (original) => told(original, 'ends'))
  return true
}

function told (original, happens) {
  return function (...options) {
    const handler = part(this, 'handler')
    const turn = turns.get(handler)
    if (turn !== undefined) {
      turn[happens]()
      if (happens === 'ends') turns.delete(handler)
    }
    return Reflect.apply(original, this, options)
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
