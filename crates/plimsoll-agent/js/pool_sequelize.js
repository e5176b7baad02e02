'use strict'
// Pools of sequelize-pool.
const { visitHeld } = require('./held.js')
const { addressOf, common, install: installIn } = require('./pool_resources.js')

const kMin = Symbol('plimsoll.min')

const adapter = {
  ...common,
  library: 'sequelize',
  open: (pool) => pool._count,
  idle: (pool) => pool._availableObjects.length,
  waiting: (pool) => pool._pendingAcquires.length,
  max: (pool) => pool._factory.max,
  isEnded: () => false,
  held: (pool, visit) => visitHeld(pool._inUseObjects.map(({ resource }) => resource), visit),

  // It opens again what is closed below its least number.
  setMax (pool, max) {
    pool[kMin] ??= pool._factory.min
    pool._factory.max = max
    pool._factory.min = Math.min(pool[kMin], max)
  },

  describe (pool) {
    const one = pool._inUseObjects[0] ?? pool._availableObjects[0]
    return one === undefined ? null : addressOf('sequelize', one.resource)
  },

  requestOf (pool, promise) {
    const last = pool._pendingAcquires[pool._pendingAcquires.length - 1]
    return last?.promise() === promise ? last : null
  },

  reject (pool, request, error) {
    pool._pendingAcquires = pool._pendingAcquires.filter((one) => one !== request)
    request.reject(error)
  },

  wake (pool) {
    // One more is opened each time.
    for (let count = pool._pendingAcquires.length; count > 0; count--) pool._dispense()
  },

  closeIdle (pool, count) {
    for (const { resource } of pool._availableObjects.slice(0, count)) ignore(pool.destroy(resource))
  },

  drop (pool, resource) {
    ignore(pool.destroy(resource))
  }
}

function ignore (promise) {
  promise.catch(() => {})
}

function install ({ Pool }, of) {
  installIn(Pool?.prototype, of, adapter, { ends: ['release', 'destroy'], closes: 'destroy' })
}

module.exports = { install }
