'use strict'
// Pools of `pg`, also with native bindings: the class of pg-pool. Who waits is in its queue as an item; that of a
// connection that is opened is passed on by hand.
const { performance } = require('./apart.js')
const { give, take, visitHeld } = require('./held.js')
const { patch } = require('./patch.js')

const kAt = Symbol('plimsoll.at')
const kTaker = Symbol('plimsoll.taker')
const kGaveUp = Symbol('plimsoll.gaveUp')
const kTracked = Symbol('plimsoll.tracked')

const METHODS = ['connect', 'query', 'newClient', '_acquireClient', '_release', '_remove', '_pulseQueue']

/** `pool.query` takes a connection for itself, and gives it back: nobody need know where. */
let isQuery = false
/** Whoever asks at this moment. */
let askedAt = 0
let askedBy = null
/** It is us who gives a wait up. */
let isRefusing = false

// What ordinary users may have, and what all have open. `reserved_connections` is of PostgreSQL 16 and later.
const INSPECT = `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int -
  coalesce(current_setting('reserved_connections', true)::int, 0) as allowed,
  (select count(*)::int from pg_stat_activity where datid is not null) as open`

const adapter = {
  library: 'pg',
  open: (pool) => pool._clients.length,
  idle: (pool) => pool._idle.length,
  waiting: (pool) => pool._pendingQueue.length,
  oldest: (pool) => pool._pendingQueue[0]?.[kAt],
  max: (pool) => pool.options.max,
  setMax: (pool, max) => { pool.options.max = max },
  isEnded: (pool) => pool.ended,

  /** `isUrgent`: before the first connection. A client knows from its settings, URL and environment where it leads. */
  describe (pool, isUrgent) {
    const client = pool._clients[0] ?? (isUrgent ? new pool.Client({ ...pool.options, stream: undefined }) : undefined)
    if (client === undefined) return null
    const { host, port, database } = client
    return { server: `${host ?? 'localhost'}:${port ?? 5432}`, database: String(database ?? '') }
  },

  wake (pool) {
    for (let waiting = -1; waiting !== pool._pendingQueue.length;) {
      waiting = pool._pendingQueue.length
      pool._pulseQueue()
    }
  },

  closeIdle (pool, count) {
    for (const { client } of pool._idle.slice(0, count)) pool._remove(client)
  },

  refuse (pool, error) {
    const item = pool._pendingQueue.shift()
    isRefusing = true
    item.timedOut = true
    isRefusing = false
    item.callback(error, undefined, () => {})
  },

  inspect (pool, tell) {
    if (pool._idle.length === 0) return false
    pool.query(INSPECT, undefined, (error, result) => {
      if (!error) tell(result.rows[0].allowed, result.rows[0].open)
    })
    return true
  },

  held: (pool, visit) => visitHeld(pool._clients, visit)
}

function install (Pool, of) {
  const { prototype } = Pool
  if (METHODS.some((method) => typeof prototype?.[method] !== 'function') || prototype[kTracked]) return
  prototype[kTracked] = true
  patch(prototype, 'query', (query) => function (text, values, callback) {
    const before = isQuery
    isQuery = true
    try {
      return query.call(this, text, values, callback)
    } finally {
      isQuery = before
    }
  })
  patch(prototype, 'connect', (connect) => function (callback) {
    const pool = this.ending ? null : of(this, adapter)
    if (pool === null) return connect.call(this, callback)
    askedAt = performance.now()
    askedBy = pool.begin(!isQuery, askedAt)
    const queue = this._pendingQueue
    const before = queue.length
    const result = connect.call(this, callback)
    if (queue.length > before) waits(this, pool, queue[queue.length - 1])
    return result
  })
  patch(prototype, 'newClient', (newClient) => function (item) {
    const pool = of(this, adapter)
    if (pool !== null) {
      item[kAt] ??= askedAt
      item[kTaker] ??= askedBy
      const { callback } = item
      item.callback = (error, client, done) => {
        if (error) pool.fail()
        return callback(error, client, done)
      }
    }
    return newClient.call(this, item)
  })
  patch(prototype, '_acquireClient', (acquire) => function (client, item, idleListener, isNew) {
    const pool = of(this, adapter)
    // A client whose time is over is taken by the pool itself.
    if (pool !== null && item[kAt] !== undefined) {
      const now = performance.now()
      if (isNew) pool.opened += 1
      if (!item.timedOut) pool.take(now - item[kAt], this._clients.length - this._idle.length, item[kTaker])
      if (!item.timedOut) take(client, now, item[kTaker])
    }
    return acquire.call(this, client, item, idleListener, isNew)
  })
  patch(prototype, '_release', (release) => function (client, idleListener, error) {
    const pool = of(this, adapter)
    give(client, pool, performance.now())
    if (pool?.isTooLarge(this._clients.length)) isLast(this, client)
    return release.call(this, client, idleListener, error)
  })
  patch(prototype, '_remove', (remove) => function (client, callback) {
    const pool = of(this, adapter)
    const isOver = client._ended
    const result = remove.call(this, client, callback)
    pool?.leaves()
    const closed = pool === null || isOver ? null : pool.closes(client, performance.now())
    if (closed !== null) client.once('end', closed)
    return result
  })
}

function waits (target, pool, item) {
  item[kAt] = askedAt
  item[kTaker] = askedBy
  countsWhoGivesUp(item, pool)
  pool.wait(target._pendingQueue.length, target._clients.length - target._idle.length)
}

/** An item says by a property that its time is over. */
function countsWhoGivesUp (item, pool) {
  item[kTracked] = pool
  const prototype = Object.getPrototypeOf(item)
  if (prototype === Object.prototype || Object.hasOwn(prototype, 'timedOut')) return
  Object.defineProperty(prototype, 'timedOut', {
    configurable: true,
    get () { return this[kGaveUp] },
    set (isOver) {
      this[kGaveUp] = isOver
      if (isOver && !isRefusing) this[kTracked]?.giveUp()
    }
  })
}

/** One too many: it is not kept, as if its time were over. */
function isLast (target, client) {
  if (target._expired) target._expired.add(client)
  else client._poolUseCount = Infinity
}

module.exports = { install }
