'use strict'
// Looks at answers when they are given: bodies that are written whole though they are large, and what the app's
// framework calls the route. Both are told once or seldom, never per request.
const diagnostics = require('node:diagnostics_channel')
const http = require('node:http')
const { performance } = require('./apart.js')
const frameworks = require('./frameworks.js')
const { patch } = require('./patch.js')
const { Seldom } = require('./seldom.js')
const { found, isLost, kLink } = require('./watchdog.js')
const wire = require('./wire.js')

// A body from this size on should be a stream. Characters of strings are counted as bytes.
const LARGE = 1024 * 1024
// Between two large bodies that are told.
const LARGE_EVERY_MS = 100

// Routes that one process tells.
const ROUTES_MAX = 1000
// After so many requests without a new route, fastify is not listened to any more: it does more work for listeners.
const FASTIFY_QUIET = 2000
const FASTIFY_CHANNEL = 'tracing:fastify.request.handler:start'

let say = null
const seldom = new Seldom(LARGE_EVERY_MS)
const told = new Set()
/** Express's route → the last method and mount point that it was told with. */
const seen = new WeakMap()

/** Once per process. `tell` sends a frame to the supervisor. */
function watch (tell) {
  const isFirst = say === null
  say = tell
  if (!isFirst) return
  frameworks.watch(tellRoute)
  patch(http.ServerResponse.prototype, 'write', (write) => function (chunk) {
    if (isLost()) found(this)
    if (chunk?.length > LARGE) tellLarge(this, chunk.length)
    return Reflect.apply(write, this, arguments)
  })
  patch(http.ServerResponse.prototype, 'end', (end) => function (chunk) {
    if (isLost()) found(this)
    if (chunk?.length > LARGE) tellLarge(this, chunk.length)
    const route = this.req?.route
    if (route !== undefined) express(this.req, route)
    return Reflect.apply(end, this, arguments)
  })
  listenToFastify()
}

function tellLarge (response, bytes) {
  const link = response.socket?.[kLink]
  // Another request may have come by the same link.
  if (link === undefined || link.slot === 0 || link.parser.incoming !== response.req) return
  const now = performance.now()
  if (!seldom.isDue(now)) return
  seldom.said(now)
  say(wire.largeBody(link.slot - 1, link.word, bytes))
}

// Express, and what is built on it, leaves the route that it found at the request.
function express (request, route) {
  const { method, baseUrl } = request
  const last = seen.get(route)
  if (last !== undefined && last.method === method && last.baseUrl === baseUrl) return
  try {
    if (route === null || typeof route.path !== 'string' || typeof baseUrl !== 'string') return
    seen.set(route, { method, baseUrl })
    tellRoute(method, request.originalUrl, baseUrl + route.path)
  } catch {
    // What looks like express's and is not.
  }
}

function listenToFastify () {
  let quiet = 0
  diagnostics.subscribe?.(FASTIFY_CHANNEL, function listener (message) {
    try {
      const { request, route } = message
      quiet = tellRoute(request.raw.method, request.raw.url, route.url) ? 0 : quiet + 1
    } catch {
      quiet += 1
    }
    if (quiet > FASTIFY_QUIET) diagnostics.unsubscribe(FASTIFY_CHANNEL, listener)
  })
}

/** False where it has been told, or cannot be. */
function tellRoute (method, url, template) {
  if (typeof url !== 'string' || typeof template !== 'string' || template === '') return false
  const key = `${method} ${template}`
  if (told.has(key) || told.size >= ROUTES_MAX) return false
  const path = url.split('?', 1)[0]
  if (Math.max(Buffer.byteLength(path), Buffer.byteLength(template)) > wire.ROUTE_MAX) return false
  told.add(key)
  say(wire.route(method, path, template))
  return true
}

module.exports = { watch }
