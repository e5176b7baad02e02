'use strict'
// The pools in which the app keeps its connections to databases. Nothing is touched before the app has loaded a library
// that has pools: all but one of them are CommonJS also where the app imports them, and so come by here.
const Module = require('node:module')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { eachModule } = require('./loaded.js')

const kPool = Symbol('plimsoll.pool')

/** Where the class of each library's pools stands. */
const LIBRARIES = [
  [/[\\/]pg-pool[\\/]index\.js$/, './pool_pg.js'],
  [/[\\/]mysql2[\\/]lib[\\/](?:base[\\/])?pool\.js$/, './pool_mysql2.js'],
  [/[\\/]tarn[\\/](?:dist|lib)[\\/]Pool\.js$/, './pool_tarn.js'],
  [/[\\/]generic-pool[\\/]lib[\\/]Pool\.js$/, './pool_generic.js'],
  [/[\\/]sequelize-pool[\\/]lib[\\/]Pool\.js$/, './pool_sequelize.js'],
  [/[\\/]mongodb[\\/]lib[\\/]cmap[\\/]connection_pool\.js$/, './pool_mongodb.js'],
  [/[\\/]ioredis[\\/]built[\\/](?:Redis|redis[\\/]index)\.js$/, './pool_ioredis.js'],
  [/[\\/]@redis[\\/]client[\\/]dist[\\/]lib[\\/]client[\\/](?:index|commands-queue)\.js$/, './pool_redis.js'],
  [/[\\/]postgres[\\/](?:cjs[\\/])?src[\\/]query\.js$/, './pool_postgres.js'],
  [/[\\/]lib[\\/](?:dispatcher[\\/])?pool-base\.js$/, './pool_undici.js'],
  [/[\\/]lib[\\/]core[\\/]request\.js$/, './pool_undici.js']
]
const MAY_BE_ONE = new RegExp(LIBRARIES.map(([where]) => where.source).join('|'))

let start = null
let current = null
let isHeld = false

/** The supervisor wants pools to be seen. `say(bytes)` sends to it; `hold`: some are held to what is lent. */
function watch (say, hold) {
  if (start !== null) return
  isHeld = hold
  start = () => (current ??= require('./pools_all.js').open(say, isHeld))
  eachModule(MAY_BE_ONE, adopt)
  adoptModules()
}

/**
 * postgres.js is ECMAScript modules in an app of such, and what is imported comes by nowhere. But to import the one file of it
 * that counts again gives the same module, and where the app has not loaded it, it does nothing.
 */
function adoptModules () {
  if (require.main !== undefined || !process.argv[1]) return
  try {
    const main = Module.createRequire(process.argv[1]).resolve('postgres')
    const file = path.join(main, '..', '..', '..', 'src', 'query.js')
    // Whatever fails, it is not seen.
    import(pathToFileURL(file).href).then((exported) => adopt(exported, file)).catch(() => {})
  } catch {
    // The app has no such package.
  }
}

function adopt (exported, file) {
  const library = LIBRARIES.find(([where]) => where.test(file))
  if (library !== undefined) require(library[1]).install(exported, of, file)
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

module.exports = { watch, hear, lost }
