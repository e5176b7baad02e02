'use strict'
// What the pools have in common that hand out resources of any kind by promises: tarn (knex), generic-pool,
// sequelize-pool.
const { performance } = require('./apart.js')
const { give, isHeld, isNew, take } = require('./held.js')
const { patch } = require('./patch.js')
const { Wait, Waits } = require('./waits.js')

const kWaits = Symbol('plimsoll.waits')
const kTracked = Symbol('plimsoll.tracked')

/**
 * `takes`, `ends` and `closes` are the methods by which a resource is asked for, given back and closed. `adapter` has in
 * addition: `requestOf(pool, result)`, what waits, and `reject(pool, request, error)`; `watch(result, wait)`, which gives what the
 * app gets; and where the pool can be re-sized, as `closes`, `drop(pool, resource)`, which closes a resource that is given
 * back, and `endOf(pool)`, the promise of the latest close.
 */
function install (prototype, of, adapter, { takes = 'acquire', ends, closes }) {
  const methods = [takes, ...ends, ...(closes ? [closes] : [])]
  if (methods.some((method) => typeof prototype?.[method] !== 'function') || prototype[kTracked]) return
  prototype[kTracked] = true
  // All of them take one argument at most.
  patch(prototype, takes, (acquire) => function (option) {
    const pool = of(this, adapter)
    if (pool === null) return acquire.call(this, option)
    const at = performance.now()
    const wait = new Acquire(this, pool, adapter, at, pool.begin(true, at))
    const isOld = typeof option === 'function'
    const result = acquire.call(this, isOld ? wait.calls(option) : option)
    waitsOf(this).add(wait)
    const waiting = adapter.waiting(this)
    if (waiting > 0) {
      wait.request = adapter.requestOf(this, result)
      pool.wait(waiting, adapter.inUse(this))
    }
    return isOld ? result : adapter.watch(result, wait)
  })
  for (const end of ends) {
    patch(prototype, end, (original) => function (resource) {
      const pool = of(this, adapter)
      if (pool === null || !isHeld(resource)) return original.call(this, resource)
      give(resource, pool, performance.now())
      const isTooLarge = end === 'release' && pool.isTooLarge(adapter.open(this))
      return isTooLarge ? adapter.drop(this, resource) : original.call(this, resource)
    })
  }
  if (closes === undefined) return
  patch(prototype, closes, (close) => function (resource) {
    const pool = of(this, adapter)
    const result = close.call(this, resource)
    pool?.leaves()
    const closed = pool === null ? null : pool.closes(resource, performance.now())
    if (closed !== null) Promise.resolve(adapter.endOf?.(this) ?? result).then(closed, closed)
    return result
  })
}

/** One who asks for a resource. */
class Acquire extends Wait {
  constructor (target, pool, adapter, at, taker) {
    super(at)
    this.target = target
    this.pool = pool
    this.adapter = adapter
    this.taker = taker
    /** What can be rejected. */
    this.request = null
  }

  got (resource) {
    const { target, pool, adapter, at, taker } = this
    waitsOf(target).delete(this)
    const now = performance.now()
    if (resource !== null && typeof resource === 'object') {
      if (isNew(resource)) pool.opened += 1
      take(resource, now, taker)
    }
    pool.take(now - at, adapter.inUse(target), taker)
  }

  failed (error) {
    waitsOf(this.target).delete(this)
    if (error?.code === 'EPLIMSOLL_POOL') return
    if (this.adapter.hasGivenUp(error)) this.pool.giveUp()
    else this.pool.fail()
  }

  /** The same for a callback. */
  calls (callback) {
    const wait = this
    return function (error, resource) {
      if (error) wait.failed(error)
      else wait.got(resource)
      return Reflect.apply(callback, this, arguments)
    }
  }
}

function waitsOf (target) {
  if (target[kWaits] === undefined) Object.defineProperty(target, kWaits, { value: new Waits() })
  return target[kWaits]
}

/** What the adapters of such pools share. */
const common = {
  hasGivenUp: (error) => /timeout/i.test(`${error?.name} ${error?.message}`),

  /** The app gets a promise of ours: the pool's has been looked at, also where the app looks at none. */
  watch: (promise, wait) => promise.then((resource) => {
    wait.got(resource)
    return resource
  }, (error) => {
    wait.failed(error)
    throw error
  }),

  inUse (pool) {
    return this.open(pool) - this.idle(pool)
  },

  oldest: (pool) => waitsOf(pool).first?.at,
  reject: (pool, request, error) => request.reject(error),

  refuse (pool, error) {
    const { first } = waitsOf(pool)
    waitsOf(pool).delete(first)
    if (first.request) this.reject(pool, first.request, error)
  }
}

/** Where a connection of any library leads. */
function addressOf (library, connection) {
  if (connection === null || typeof connection !== 'object') return null
  const { host, port, database, connectionParameters, config } = connection
  if (connectionParameters && host !== undefined) return about(`${library}/pg`, host, port, database)
  if (config?.host || config?.socketPath) {
    return about(`${library}/mysql`, config.socketPath ?? config.host, config.socketPath ? '' : config.port ?? 3306, config.database)
  }
  if (config?.server) return about(`${library}/mssql`, config.server, config.options?.port ?? 1433, config.options?.database)
  return { library, server: '', database: '' }
}

function about (library, host, port, database) {
  return { library, server: port === '' ? String(host) : `${host}:${port}`, database: String(database ?? '') }
}

module.exports = { install, common, waitsOf, addressOf }
