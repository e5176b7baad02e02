'use strict'
// Reads what only this process knows of its metrics, when the supervisor asks: what Node tells of itself, and the app's own
// metrics in its registries of prom-client. Loaded with the first question.
//
// The answer is lines of text in as many messages as it takes: `n{…}` for Node, then for each metric `f[…]` and its samples
// `s[…]`. It is bounded in size, and in time: a metric whose `collect` does not come to an end is left out and not asked
// again before it does.
const { monitorEventLoopDelay } = require('node:perf_hooks')
const v8 = require('node:v8')
const { clearTimeout, performance, setImmediate, setTimeout } = require('./apart.js')
const registries = require('./registries.js')
const { metricsPart, metricsEnd, METRICS } = require('./wire.js')

// A message holds less than 64 KB.
const PART_MAX = 48_000
const LINE_MAX = METRICS.LINE_MAX
// Longer than this the loop is not kept at a time.
const SLICE_MS = 2
const LINES_AT_ONCE = 100
// Of one `collect`; the supervisor waits a little longer for all.
const PATIENCE_MS = 300
// The delay of the loop costs a timer: it is not measured any more when nobody has asked for so long.
const FOLLOW_MS = 5 * 60_000
// As prom-client has it.
const RESOLUTION_MS = 10
const TYPES_MAX = 32
const KINDS = new Set(['counter', 'gauge', 'histogram', 'summary'])
// Told by us for each worker: what the app's own default metrics say of it is not read.
const OURS = new Set([
  'nodejs_eventloop_lag_seconds', 'nodejs_eventloop_lag_min_seconds', 'nodejs_eventloop_lag_max_seconds',
  'nodejs_eventloop_lag_mean_seconds', 'nodejs_eventloop_lag_stddev_seconds', 'nodejs_eventloop_lag_p50_seconds',
  'nodejs_eventloop_lag_p90_seconds', 'nodejs_eventloop_lag_p99_seconds', 'nodejs_active_resources',
  'nodejs_active_resources_total', 'nodejs_active_handles', 'nodejs_active_handles_total', 'nodejs_active_requests',
  'nodejs_active_requests_total', 'nodejs_heap_size_total_bytes', 'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes', 'nodejs_heap_space_size_total_bytes', 'nodejs_heap_space_size_used_bytes',
  'nodejs_heap_space_size_available_bytes', 'nodejs_version_info', 'nodejs_gc_duration_seconds',
  'process_cpu_user_seconds_total', 'process_cpu_system_seconds_total', 'process_cpu_seconds_total',
  'process_start_time_seconds', 'process_resident_memory_bytes', 'process_virtual_memory_bytes', 'process_heap_bytes',
  'process_open_fds', 'process_max_fds'
])

const { getHeapSpaceStatistics } = v8
const getActiveResources = process.getActiveResourcesInfo
const getActiveHandles = process._getActiveHandles
const getActiveRequests = process._getActiveRequests

let delay = null
let unfollow = null
/** Metrics that have been asked and have not answered. */
const pending = new WeakSet()

/** Answers one question. Never throws, and never rejects. */
async function read (question, say) {
  const answer = new Answer(question, say)
  try {
    answer.line('n', await node())
    if (question.app) await readAll(answer)
  } catch {
    answer.leftOut += 1
  }
  answer.end()
}

class Answer {
  #id
  #say
  #bytesLeft
  #lines = []
  #bytes = 0

  constructor ({ id, bytesMax }, say) {
    this.#id = id
    this.#say = say
    this.#bytesLeft = bytesMax
    this.leftOut = 0
    this.since = performance.now()
  }

  /** False: there is no room for it. */
  line (mark, value) {
    const line = `${mark}${JSON.stringify(value)}\n`
    const bytes = Buffer.byteLength(line)
    if (bytes > this.#bytesLeft || bytes > LINE_MAX) return false
    if (this.#bytes + bytes > PART_MAX) this.#flush()
    this.#lines.push(line)
    this.#bytes += bytes
    this.#bytesLeft -= bytes
    return true
  }

  #flush () {
    if (this.#bytes > 0) this.#say(metricsPart(this.#id, this.#lines.join('')))
    this.#lines = []
    this.#bytes = 0
  }

  end () {
    this.#flush()
    this.#say(metricsEnd(this.#id, this.leftOut))
  }

  /** Lets others have the loop, where it was kept for long enough. */
  async pause () {
    if (performance.now() - this.since < SLICE_MS) return
    await new Promise((resolve) => setImmediate(resolve))
    this.since = performance.now()
  }
}

/** What Node says of itself, in seconds and bytes; what is not there is left out. */
async function node () {
  const found = { version: process.version, ...loop(), ...memory(), ...activity() }
  const before = performance.now()
  await new Promise((resolve) => setImmediate(resolve))
  found.lag = (performance.now() - before) / 1000
  return found
}

function loop () {
  const { active, idle } = performance.eventLoopUtilization()
  const found = { active_ms: active, idle_ms: idle }
  if (delay === null) {
    follow()
    return found
  }
  unfollow.refresh()
  const seconds = (ns) => Number.isFinite(ns) ? ns / 1e9 : undefined
  if (delay.max > 0) {
    found.lag_min = seconds(delay.min)
    found.lag_max = seconds(delay.max)
    found.lag_mean = seconds(delay.mean)
    found.lag_stddev = seconds(delay.stddev)
    found.lag_p50 = seconds(delay.percentile(50))
    found.lag_p90 = seconds(delay.percentile(90))
    found.lag_p99 = seconds(delay.percentile(99))
  }
  delay.reset()
  return found
}

function follow () {
  delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  unfollow = setTimeout(() => {
    delay.disable()
    delay = null
  }, FOLLOW_MS).unref()
}

function memory () {
  const spaces = {}
  for (const { space_name: name, space_size: size, space_used_size: used, space_available_size: available } of getHeapSpaceStatistics()) {
    const end = name.indexOf('_space')
    spaces[end > 0 ? name.slice(0, end) : name] = [size, used, available]
  }
  return { spaces }
}

function activity () {
  const found = {}
  // Not on every version of Node.
  if (getActiveResources) found.resources = count(Reflect.apply(getActiveResources, process, []), (name) => name)
  if (getActiveHandles) found.handles = count(Reflect.apply(getActiveHandles, process, []), nameOf)
  if (getActiveRequests) found.requests = count(Reflect.apply(getActiveRequests, process, []), nameOf)
  return found
}

function nameOf (one) {
  return String(one?.constructor?.name ?? 'unknown')
}

function count (all, name) {
  const counts = new Map()
  for (const one of all) {
    const known = name(one)
    const type = counts.has(known) || counts.size < TYPES_MAX ? known : 'other'
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return Object.fromEntries(counts)
}

async function readAll (answer) {
  const { registries: all, leftOut } = registries.known()
  answer.leftOut += leftOut
  const seen = new Set()
  const asked = []
  let timer = null
  const late = new Promise((resolve) => { timer = setTimeout(() => resolve(null), PATIENCE_MS).unref() })
  for (const registry of all) {
    for (const metric of registry.getMetricsAsArray()) {
      if (seen.has(metric) || OURS.has(metric.name)) continue
      seen.add(metric)
      // Those that wait for something do it at the same time.
      asked.push([registry, metric, typeof metric.collect === 'function' ? get(metric, late) : undefined])
    }
  }
  for (const [registry, metric, data] of asked) {
    await write(answer, registry, await (data === undefined ? get(metric, late) : data))
    await answer.pause()
  }
  clearTimeout(timer)
}

/** What the metric says; null where it does not, or not before `late`. */
function get (metric, late) {
  if (pending.has(metric)) return null
  pending.add(metric)
  const data = ask(metric).finally(() => pending.delete(metric))
  return Promise.race([data, late])
}

async function ask (metric) {
  try {
    return await (typeof metric.getForPromString === 'function' ? metric.getForPromString() : metric.get())
  } catch {
    return null
  }
}

async function write (answer, registry, data) {
  if (data === null || !Array.isArray(data?.values) || !KINDS.has(data.type)) {
    answer.leftOut += 1
    return
  }
  const { name, values } = data
  if (!answer.line('f', [String(name), String(data.help), data.type, String(data.aggregator ?? 'sum')])) {
    answer.leftOut += values.length
    return
  }
  const own = registry._defaultLabels ?? {}
  let written = 0
  for (const { metricName, value, labels, sharedLabels } of values) {
    if (++written % LINES_AT_ONCE === 0) await answer.pause()
    const all = { ...own, ...sharedLabels, ...labels }
    for (const label of Object.keys(all)) all[label] = String(all[label] || own[label] || all[label])
    const part = metricName === undefined ? '' : String(metricName).slice(name.length)
    if (!answer.line('s', [part, Number.isFinite(value) ? value : String(value), all])) answer.leftOut += 1
  }
}

module.exports = { read }
