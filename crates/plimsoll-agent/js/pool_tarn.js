'use strict'
// Pools of tarn, which knex has.
const { visitHeld } = require('./held.js')
const { addressOf, common, install: installIn } = require('./pool_resources.js')

const adapter = {
  ...common,
  library: 'tarn',
  open: (pool) => pool.used.length + pool.free.length + pool.pendingCreates.length,
  idle: (pool) => pool.free.length,
  waiting: (pool) => pool.pendingAcquires.length,
  max: (pool) => pool.max,
  setMax: (pool, max) => { pool.max = max },
  isEnded: (pool) => pool.destroyed,
  describe: (pool) => addressOf('tarn', (pool.used[0] ?? pool.free[0])?.resource),
  requestOf: (pool, operation) => operation,
  held: (pool, visit) => visitHeld(pool.used.map(({ resource }) => resource), visit),

  watch (operation, wait) {
    operation.promise.then((resource) => wait.got(resource), (error) => wait.failed(error))
    return operation
  },

  wake (pool) {
    // One more is opened each time; it knows itself when there is no room.
    for (let count = pool.pendingAcquires.length; count > 0; count--) pool._tryAcquireOrCreate()
  },

  closeIdle (pool, count) {
    for (; count > 0 && pool.free.length > 0; count--) {
      const [free] = pool.free
      settle(free)
      pool.free.shift()
      pool._destroy(free.resource)
    }
  },

  drop (pool, resource) {
    const place = pool.used.findIndex((used) => used.resource === resource)
    if (place < 0) return false
    settle(pool.used[place])
    pool.used.splice(place, 1)
    pool._destroy(resource)
    pool._tryAcquireOrCreate()
    return true
  }
}

/** Nobody waits for its end any more. Before version 3.1 that can be said only together with that it is free. */
function settle (place) {
  if (typeof place.settle === 'function') place.settle()
  else place.resolve()
}

function install ({ Pool }, of) {
  installIn(Pool?.prototype, of, adapter, { ends: ['release'], closes: '_destroy' })
}

module.exports = { install }
