'use strict'
// Pools of generic-pool.
const { visitHeld } = require('./held.js')
const { addressOf, common, install: installIn, waitsOf } = require('./pool_resources.js')

const kMin = Symbol('plimsoll.min')

const adapter = {
  ...common,
  library: 'generic-pool',
  open: (pool) => pool._allObjects.size + pool._factoryCreateOperations.size,
  idle: (pool) => pool._availableObjects.length,
  // Who was refused stands in the queue a moment longer. The library itself takes out what ends with a `TimeoutError`; by our hand
  // it would be taken out twice, and the list be broken.
  waiting: (pool) => Math.min(pool._waitingClientsQueue.length, waitsOf(pool).size),
  max: (pool) => pool._config.max,
  isEnded: () => false,
  wake: (pool) => pool._dispense(),
  drop: (pool, resource) => pool.destroy(resource),
  held: (pool, visit) => visitHeld(pool._resourceLoans.keys(), visit),

  // Where not all may wait, what it has not been lent yet would be an error of the app's.
  isSizeable: (pool) => !Number.isFinite(pool._config.maxWaitingClients),

  // It opens again what is closed below its least number.
  setMax (pool, max) {
    pool[kMin] ??= pool._config.min
    pool._config.max = max
    pool._config.min = Math.min(pool[kMin], max)
  },

  describe (pool) {
    const [one] = pool._allObjects
    return one === undefined ? null : addressOf('generic-pool', one.obj)
  },

  /** Each priority has a queue of its own. */
  requestOf (pool, promise) {
    for (const { tail } of pool._waitingClientsQueue._slots) if (tail?.promise === promise) return tail
    return null
  },

  endOf: (pool) => [...pool._factoryDestroyOperations].pop(),

  closeIdle (pool, count) {
    for (; count > 0 && pool._availableObjects.length > 0; count--) pool._destroy(pool._availableObjects.shift())
  }
}

function install (Pool, of) {
  installIn(Pool?.prototype, of, adapter, { ends: ['release', 'destroy'], closes: '_destroy' })
}

module.exports = { install }
