'use strict'
// Pools of `mysql2`, also by promises: the class that both have below them. Who waits is in its queue as a callback.
const { performance } = require('./apart.js')
const { give, isNew, take, visitHeld } = require('./held.js')
const { patch } = require('./patch.js')

const kAt = Symbol('plimsoll.at')
const kTracked = Symbol('plimsoll.tracked')

const METHODS = ['getConnection', 'releaseConnection', '_removeConnection']
// No limit is 0 here. Nothing at all is what no number of connections is less than.
const NOTHING = -1

/** `pool.query` takes a connection for itself, and gives it back: nobody need know where. */
let isQuery = false

const adapter = {
  library: 'mysql2',
  open: (pool) => pool._allConnections.length,
  idle: (pool) => pool._freeConnections.length,
  waiting: (pool) => pool._connectionQueue.length,
  oldest: (pool) => pool._connectionQueue.get(0)?.[kAt],
  isEnded: (pool) => pool._closed,

  max ({ config: { connectionLimit } }) {
    if (connectionLimit === NOTHING) return 0
    return connectionLimit === 0 ? Infinity : connectionLimit
  },

  // Where not all may wait, what it has not been lent yet would be an error of the app's.
  isSizeable: ({ config: { waitForConnections, queueLimit } }) => waitForConnections && !queueLimit,

  setMax (pool, max) {
    pool.config.connectionLimit = max === Infinity ? 0 : max || NOTHING
  },

  describe (pool) {
    const { host, port, socketPath, database } = pool.config.connectionConfig
    return { server: socketPath ? String(socketPath) : `${host ?? 'localhost'}:${port ?? 3306}`, database: String(database ?? '') }
  },

  wake (pool) {
    const hasRoom = () => pool._freeConnections.length > 0 || pool._allConnections.length < adapter.max(pool)
    while (pool._connectionQueue.length > 0 && hasRoom()) pool.getConnection(pool._connectionQueue.shift())
  },

  closeIdle (pool, count) {
    for (; count > 0 && pool._freeConnections.length > 0; count--) close(pool._freeConnections.get(0))
  },

  refuse: (pool, error) => pool._connectionQueue.shift()(error),

  inspect (pool, tell) {
    if (pool._freeConnections.length === 0) return false
    pool.query('select @@max_connections as allowed', (error, [limit] = []) => {
      if (error) return
      pool.query("show global status like 'Threads_connected'", (error, [threads] = []) => {
        if (!error) tell(Number(limit.allowed), Number(threads.Value))
      })
    })
    return true
  },

  held (pool, visit) {
    const { _allConnections: all } = pool
    visitHeld(Array.from({ length: all.length }, (_, place) => all.get(place)), visit)
  }
}

function install (Pool, of) {
  const { prototype } = Pool
  if (METHODS.some((method) => !Object.hasOwn(prototype ?? {}, method)) || prototype[kTracked]) return
  prototype[kTracked] = true
  for (const method of ['query', 'execute']) {
    patch(prototype, method, (original) => function (sql, values, callback) {
      const before = isQuery
      isQuery = true
      try {
        return original.call(this, sql, values, callback)
      } finally {
        isQuery = before
      }
    })
  }
  patch(prototype, 'getConnection', (getConnection) => function (callback) {
    // One that has waited before asks again.
    const since = callback?.[kAt]
    const pool = this._closed || typeof callback !== 'function' || since !== undefined ? null : of(this, adapter)
    if (pool === null) return ask(this, getConnection, callback, since)
    const at = performance.now()
    const taker = pool.begin(!isQuery, at)
    const got = (error, connection) => {
      if (error) fails(pool, error)
      else takes(this, pool, connection, at, taker)
      return callback(error, connection)
    }
    const before = this._connectionQueue.length
    const result = ask(this, getConnection, got, at)
    const waiting = this._connectionQueue.length
    if (waiting > before) pool.wait(waiting, adapter.open(this) - adapter.idle(this))
    return result
  })
  patch(prototype, 'releaseConnection', (release) => function (connection) {
    // Without its pool it has been removed, and another may take its place.
    const pool = connection._pool ? of(this, adapter) : null
    give(connection, pool, performance.now())
    if (pool?.isTooLarge(adapter.open(this))) return close(connection)
    return release.call(this, connection)
  })
  patch(prototype, '_removeConnection', (remove) => function (connection) {
    const pool = of(this, adapter)
    const { stream } = connection
    const result = remove.call(this, connection)
    pool?.leaves()
    const closed = pool === null || !stream || stream.closed ? null : pool.closes(connection, performance.now())
    if (closed !== null) stream.once('close', closed)
    return result
  })
}

/** Marks what stands in the queue then: where somebody subscribes to traces of it, that is another function. */
function ask (target, getConnection, callback, at) {
  const { _connectionQueue: queue } = target
  const before = queue.length
  const result = getConnection.call(target, callback)
  if (at !== undefined && queue.length > before) queue.get(queue.length - 1)[kAt] = at
  return result
}

function takes (target, pool, connection, at, taker) {
  const now = performance.now()
  if (isNew(connection)) pool.opened += 1
  take(connection, now, taker)
  pool.take(now - at, adapter.open(target) - adapter.idle(target), taker)
}

function fails (pool, error) {
  if (error.code !== 'EPLIMSOLL_POOL') pool.fail()
}

function close (connection) {
  connection._removeFromPool()
  connection._realEnd(() => {})
}

module.exports = { install }
