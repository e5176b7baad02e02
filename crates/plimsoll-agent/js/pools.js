'use strict'
// The pools in which the app keeps its connections to databases. Nothing is touched before the app has loaded a library
// that has pools: such libraries are CommonJS also where the app imports them, so that all of them come by here.
const { eachModule } = require('./loaded.js')

const kPool = Symbol('plimsoll.pool')

/** Where the class of each library's pools stands. */
const LIBRARIES = [
  [/[\\/]pg-pool[\\/]index\.js$/, './pool_pg.js'],
  [/[\\/]mysql2[\\/]lib[\\/](?:base[\\/])?pool\.js$/, './pool_mysql2.js'],
  [/[\\/]tarn[\\/](?:dist|lib)[\\/]Pool\.js$/, './pool_tarn.js'],
  [/[\\/]generic-pool[\\/]lib[\\/]Pool\.js$/, './pool_generic.js'],
  [/[\\/]sequelize-pool[\\/]lib[\\/]Pool\.js$/, './pool_sequelize.js']
]
const MAY_BE_ONE = /[\\/](?:pg-pool|mysql2|tarn|generic-pool|sequelize-pool)[\\/]/

let start = null
let current = null
let isHeld = false

/** The supervisor wants pools to be seen. `say(bytes)` sends to it; `hold`: some are held to what is lent. */
function watch (say, hold) {
  if (start !== null) return
  isHeld = hold
  start = () => (current ??= require('./pools_all.js').open(say, isHeld))
  eachModule(MAY_BE_ONE, adopt)
}

function adopt (exported, file) {
  const library = LIBRARIES.find(([where]) => where.test(file))
  if (library !== undefined) require(library[1]).install(exported, of)
}

/** What is kept of a pool; null where there are too many. */
function of (target, adapter) {
  const known = target[kPool]
  if (known !== undefined) return known
  let pool = null
  try {
    pool = start().meet(target, adapter)
  } catch {
    // Then it is not seen.
  }
  Object.defineProperty(target, kPool, { value: pool, writable: true, configurable: true })
  return pool
}

/** A message of the supervisor about a pool. */
function hear (message) {
  current?.hear(message)
}

/** The supervisor is gone. */
function lost () {
  isHeld = false
  current?.free()
}

module.exports = { watch, hear, lost, kPool }
