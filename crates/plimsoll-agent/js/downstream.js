'use strict'
// The calls that the app makes: seen, counted by origin, and limited where it was asked for. Nothing is loaded or done
// before the app's first call, but for hooks that wait for it.
const http = require('node:http')
const Module = require('node:module')
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
}

function watchHttp (load) {
  let begin = null
  patch(http.Agent.prototype, 'addRequest', (addRequest) => function (request, options, port, localAddress) {
    begin ??= require('./calls_http.js').caller(load())
    return begin(addRequest, this, request, options, port, localAddress)
  })
}

/** Copies of undici from npm, those that are there and those that come, under whatever name. */
function watchPackages (load) {
  const look = (path, exports) => {
    if (BASE.test(path)) require('./calls_undici.js').watchClass(exports?.prototype, load)
  }
  for (const path of Object.keys(require.cache)) look(path, require.cache[path].exports)
  // Once per file: `require`, and `import` of CommonJS, come by here with what was not loaded yet.
  patch(Module.prototype, 'load', (loadFile) => function (path) {
    const result = Reflect.apply(loadFile, this, arguments)
    try {
      look(path, this.exports)
    } catch {
      // Then it is not seen.
    }
    return result
  })
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
