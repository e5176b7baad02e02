'use strict'
// The calls that the app makes: seen, counted by origin, and limited where it was asked for. Nothing is loaded or done
// before the app's first call, but for hooks that wait for it.
const http = require('node:http')
const { eachModule } = require('./loaded.js')
const { patch } = require('./patch.js')

// The class of undici that all its agents, pools and clients inherit.
const BASE = /[\\/]lib[\\/](?:dispatcher[\\/])?dispatcher-base\.js$/

let origins = null

/** The supervisor wants the calls to be seen. `say(bytes)` sends to it; `hold`: the first to each origin waits. */
function watch (say, hold) {
  if (origins !== null) return
  const load = () => require('./origins.js').open(say, hold)
  origins = load
  watchHttp(load)
  watchFetch(load)
  watchPackages(load)
  watchHttp2(load)
}

function watchHttp (load) {
  let begin = null
  patch(http.Agent.prototype, 'addRequest', (addRequest) => function (request, options, port, localAddress) {
    begin ??= require('./calls_http.js').caller(load())
    return begin(addRequest, this, request, options, port, localAddress)
  })
}

/** Copies of undici from npm, under whatever name. */
function watchPackages (load) {
  eachModule(BASE, (exports) => require('./calls_undici.js').watchPackage(exports?.prototype, load))
}

/** Not loaded for it: an app that uses it has loaded it by the time its first server listens, or is not seen here. */
function watchHttp2 (load) {
  if (!process.moduleLoadList?.includes('NativeModule internal/http2/core')) return
  try {
    require('./calls_http2.js').watch(require('node:http2'), load)
  } catch {
    // Then it is not seen.
  }
}

function watchFetch (load) {
  if (typeof globalThis.fetch !== 'function') return
  const undo = patch(globalThis, 'fetch', (fetch) => function (input, init) {
    undo()
    try {
      require('./calls_undici.js').watchBuiltIn(load)
    } catch {
      // Then it is not seen.
    }
    return Reflect.apply(fetch, this, arguments)
  })
}

/** A message of the supervisor about an origin. */
function hear (message) {
  if (origins !== null) origins().hear(message)
}

/** The supervisor is gone. */
function lost () {
  if (origins !== null) origins().free()
}

module.exports = { watch, hear, lost }
