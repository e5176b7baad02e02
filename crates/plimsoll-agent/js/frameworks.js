'use strict'
// What koa's routers and hapi call a route. Neither leaves it where an answer could be asked for it, so that it is taken at
// the place where they write it down, once they are loaded: a property of koa's context that the routers set
// (`_matchedRoute`: @koa/router, koa-router), and the step in which hapi looks for a route.
//
// They are looked for among the loaded modules when a server listens. What was bundled is not found; its routes are
// learned from the paths.
const { patch } = require('./patch.js')

const kMatched = Symbol('plimsoll.matched')

/** The end of a module's file name, and what is done with it. */
const FRAMEWORKS = [
  ['/koa/lib/context.js', watchKoa],
  ['/@hapi/hapi/lib/request.js', watchHapi]
]

const known = new WeakSet()

/** `tell(method, url, template)` is called when a route is found, as often as that is. */
function watch (tell) {
  for (const [name, module] of Object.entries(require.cache)) {
    const framework = FRAMEWORKS.find(([end]) => name.endsWith(end))
    const { exports } = framework === undefined ? {} : module
    if ((typeof exports !== 'object' && typeof exports !== 'function') || exports === null || known.has(exports)) continue
    known.add(exports)
    framework[1](exports, tell)
  }
}

/** `context` is what every request's context inherits from. */
function watchKoa (context, tell) {
  Object.defineProperty(context, '_matchedRoute', {
    get () {
      return this[kMatched]
    },
    set (template) {
      // The first is that of the route, those that follow may be of the steps on the way to it.
      if (this[kMatched] === undefined) tell(this.method, this.originalUrl, template)
      this[kMatched] = template
    },
    configurable: true
  })
}

function watchHapi (Request, tell) {
  if (typeof Request.prototype?._lookup !== 'function') return
  patch(Request.prototype, '_lookup', (lookup) => function () {
    const result = Reflect.apply(lookup, this, arguments)
    const { method, path } = this.route ?? {}
    // What is found nowhere has a route, too.
    if (method !== '_special') tell(this.method.toUpperCase(), this.raw.req.url, path)
    return result
  })
}

module.exports = { watch }
