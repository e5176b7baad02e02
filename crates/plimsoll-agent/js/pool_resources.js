'use strict'
// What the pools have in common that hand out resources of any kind by promises: tarn (knex), generic-pool,
// sequelize-pool.
const { patch } = require('./patch.js')

const kAt = Symbol('plimsoll.at')
const kTaker = Symbol('plimsoll.taker')
const kWaits = Symbol('plimsoll.waits')
const kTracked = Symbol('plimsoll.tracked')

/**
 * `adapter` has in addition: `requestOf(pool, result)`, what waits and can be rejected; `promiseOf(result)`;
 * `drop(pool, resource)`, which closes a resource that is given back; `endOf(pool)`, the promise of the latest close.
 */
function install (prototype, of, adapter, { ends, closes }) {
  if (['acquire', closes, ...ends].some((method) => typeof prototype?.[method] !== 'function') || prototype[kTracked]) return
  prototype[kTracked] = true
  patch(prototype, 'acquire', (acquire) => function (...options) {
    const pool = of(this, adapter)
    if (pool === null) return Reflect.apply(acquire, this, options)
    const wait = { at: performance.now(), taker: pool.begin(true), request: null }
    const result = Reflect.apply(acquire, this, options)
    waitsOf(this).add(wait)
    wait.request = adapter.requestOf(this, result)
    adapter.promiseOf(result).then((resource) => takes(this, pool, wait, resource, adapter), (error) => fails(this, pool, wait, error))
    const waiting = adapter.waiting(this)
    if (waiting > 0) pool.wait(waiting, inUse(this, adapter))
    return result
  })
  for (const end of ends) {
    patch(prototype, end, (original) => function (resource) {
      const pool = of(this, adapter)
      if (pool === null || !(Math.abs(resource?.[kAt]) > 0)) return original.call(this, resource)
      pool.give(performance.now() - Math.abs(resource[kAt]))
      resource[kAt] = 0
      resource[kTaker] = null
      const isTooLarge = end === 'release' && pool.isTooLarge(adapter.open(this))
      return isTooLarge ? adapter.drop(this, resource) : original.call(this, resource)
    })
  }
  patch(prototype, closes, (close) => function (resource) {
    const pool = of(this, adapter)
    const result = close.call(this, resource)
    const closed = pool === null ? null : pool.closes(resource, performance.now())
    if (closed !== null) Promise.resolve(adapter.endOf?.(this) ?? result).then(closed, closed)
    return result
  })
}

function waitsOf (target) {
  if (target[kWaits] === undefined) Object.defineProperty(target, kWaits, { value: new Set() })
  return target[kWaits]
}

function inUse (target, adapter) {
  return adapter.open(target) - adapter.idle(target)
}

function takes (target, pool, wait, resource, adapter) {
  waitsOf(target).delete(wait)
  const now = performance.now()
  if (resource !== null && typeof resource === 'object') {
    if (resource[kAt] === undefined) pool.opened += 1
    resource[kAt] = now
    resource[kTaker] = wait.taker
  }
  pool.take(now - wait.at, inUse(target, adapter), wait.taker)
}

function fails (target, pool, wait, error) {
  waitsOf(target).delete(wait)
  if (error?.code === 'EPLIMSOLL_POOL') return
  if (/timeout/i.test(`${error?.name} ${error?.message}`)) pool.giveUp()
  else pool.fail()
}

/** What the adapters of such pools share. */
const common = {
  oldest (pool) {
    const [first] = waitsOf(pool)
    return first?.at
  },

  refuse (pool, error) {
    const [first] = waitsOf(pool)
    waitsOf(pool).delete(first)
    first.request?.reject(error)
  }
}

function visitHeld (resources, visit) {
  for (const resource of resources) {
    const at = resource?.[kAt]
    if (at && visit(Math.abs(at), resource[kTaker], at < 0)) resource[kAt] = -at
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

module.exports = { install, common, waitsOf, visitHeld, addressOf, kAt }
