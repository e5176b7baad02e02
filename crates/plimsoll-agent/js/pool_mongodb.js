'use strict'
// Pools of `mongodb`, one for each server that a client knows. Their size is fixed when they are made.
const timers = require('node:timers')
const { visitHeld } = require('./held.js')
const { hidden } = require('./hidden.js')
const { common, install: installIn, waitsOf } = require('./pool_resources.js')

const adapter = {
  ...common,
  library: 'mongodb',
  open: (pool) => pool.totalConnectionCount,
  idle: (pool) => pool.availableConnectionCount,
  inUse: (pool) => pool.currentCheckedOutCount ?? pool.totalConnectionCount - pool.availableConnectionCount,
  // Whoever asks stands in the queue for a moment, also where connections are free; and who was refused until one is.
  waiting: (pool) => pool.availableConnectionCount > 0 ? 0 : Math.min(pool.waitQueueSize, waitsOf(pool).size),
  max: (pool) => pool.options.maxPoolSize,
  isEnded: (pool) => pool.closed,
  describe: (pool) => ({ server: pool.address, database: '' }),
  hasGivenUp: ({ name }) => name === 'MongoWaitQueueTimeoutError' || name === 'MongoOperationTimeoutError' || name === 'AbortError',

  requestOf: (pool) => (pool.waitQueue ?? hidden(pool, 'waitQueue'))?.last() ?? null,

  // The driver handles what comes of it.
  watch (promise, wait) {
    promise.then((connection) => wait.got(connection), (error) => wait.failed(error))
    return promise
  },

  reject (pool, request, error) {
    // By another name the driver would put an error of its own in its place.
    error.name = 'MongoWaitQueueTimeoutError'
    if (request.reject) {
      request.cancelled = true
      return request.reject(error)
    }
    // Up to version 5 it cannot be taken out of the queue: what it gets then goes back. The timer is the driver's, made by
    // what stands in this module at the time.
    const { callback } = request
    timers.clearTimeout(request.timer)
    request.timer = undefined
    request.callback = (failed, connection) => connection && pool.checkIn(connection)
    callback(error)
  },

  watchCloses: (pool, closed) => pool.on('connectionClosed', closed),

  held (pool, visit) {
    visitHeld(pool.checkedOut ?? hidden(pool, 'checkedOut') ?? [], visit)
  }
}

function install ({ ConnectionPool }, of) {
  installIn(ConnectionPool?.prototype, of, adapter, { takes: 'checkOut', ends: ['checkIn'] })
}

module.exports = { install }
