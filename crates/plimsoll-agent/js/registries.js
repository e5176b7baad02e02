'use strict'
// Finds the registries of prom-client in which the app keeps its own metrics: of any version, of each copy of the package,
// and those that the app makes itself. Most are filled while the app loads, so that this one hook is set before its first
// line. A registry is noted when a metric enters it; nothing is read before somebody asks.
const { eachModule } = require('./loaded.js')
const { patch } = require('./patch.js')

const REGISTRY = /[\\/]prom-client[^\\/]*[\\/]lib[\\/]registry\.js$/

// Apps have one or two. Whoever makes one for each request has them collected.
const REGISTRIES_MAX = 32

/** Weakly: a registry that the app has let go of is gone. */
const registries = []
/** Metrics that are in one of them: a registry that only holds such is a copy, made to be printed. */
const metrics = new WeakSet()
let leftOut = 0

function install () {
  eachModule(REGISTRY, (Registry) => {
    if (typeof Registry?.prototype?.registerMetric !== 'function') return
    patch(Registry.prototype, 'registerMetric', (register) => function registerMetric (metric) {
      const result = Reflect.apply(register, this, arguments)
      note(this, metric)
      return result
    })
    const { globalRegistry } = Registry
    for (const metric of globalRegistry?.getMetricsAsArray?.() ?? []) note(globalRegistry, metric)
  })
}

function note (registry, metric) {
  // What prom-client makes of the answers of a cluster's processes are plain objects.
  if (metric === null || typeof metric !== 'object' || Object.getPrototypeOf(metric) === Object.prototype) return
  if (metrics.has(metric)) return
  metrics.add(metric)
  if (registries.some((known) => known.deref() === registry)) return
  if (registries.length >= REGISTRIES_MAX) forget()
  if (registries.length >= REGISTRIES_MAX) leftOut += 1
  else registries.push(new WeakRef(registry))
}

function forget () {
  for (let at = registries.length; at-- > 0;) {
    if (registries[at].deref() === undefined) registries.splice(at, 1)
  }
}

/** The registries that are there now, in the order in which they were found, and how many are not told apart. */
function known () {
  forget()
  return { registries: registries.map((one) => one.deref()).filter((one) => one !== undefined), leftOut }
}

module.exports = { install, known }
