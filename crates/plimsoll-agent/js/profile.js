'use strict'
// CPU profiles and heap snapshots of this process, as the supervisor orders them. Loaded with the first order, never
// before. It speaks to V8 through an inspector session of its own inside the process: no port is opened, and an app
// that profiles itself, or runs with --inspect, has its own session beside ours.
//
// One order at a time. Everything large goes to the file that the order names, readable by this user only; the
// channel carries two words: it has begun, it is over.
const fs = require('node:fs')
const { monitorEventLoopDelay } = require('node:perf_hooks')
const v8 = require('node:v8')
const { clearTimeout, performance, setImmediate, setTimeout } = require('./apart.js')
const { profileBegan, profiled } = require('./wire.js')

const REASON_MAX = 300
// How soon after a stall its window ends.
const STALL_LOOK_MS = 500
// How finely the delay of the loop is measured while one waits for a stall.
const DELAY_RESOLUTION_MS = 10
// After how long, while one waits for a stall, V8 is to compile anew.
const COMPILED_FOR_MS = 5 * 60 * 1000
const MEGA = 1024 * 1024
// The V8 of Node.js 24, and now and then that of 22, does not tell its profiler of loops that it compiled while they ran: their
// time counts as the caller's.
const FORGETS_LOOPS = /^1[23]\./.test(process.versions.v8)

/** The order that is being carried out: `{ id, stopped, wake }`. */
let current = null
/** The order that comes after one that was stopped and has not ended yet: `{ order, say }`. */
let next = null

/** Carries an order out, and tells its end through `say`. Never throws. */
function obey (order, say) {
  if (order.order === 'stop') return stop(order.id)
  if (current?.stopped && next === null) {
    // A loop that was blocked hears several orders at once: the one that was given up, and the one after it.
    next = { order, say }
    return
  }
  if (current !== null) return say(profiled(order.id, 'another profile or snapshot of this process is being taken'))
  current = { id: order.id, stopped: false, wake: null }
  const work = order.order === 'profile' ? profile : snapshot
  work(order, current, say).then(() => '', (error) => reason(error)).then((error) => {
    current = null
    say(profiled(order.id, error))
    const waiting = next
    next = null
    if (waiting) obey(waiting.order, waiting.say)
  })
}

function stop (id) {
  if (next?.order.id === id) {
    next.say(profiled(id, 'it was stopped'))
    next = null
  }
  if (current?.id !== id) return
  current.stopped = true
  current.wake?.()
}

function reason (error) {
  return String(error?.message || error).split('\n')[0].slice(0, REASON_MAX) || 'unknown'
}

async function profile ({ id, seconds, intervalUs, stallMs, path }, run, say) {
  const session = connect()
  try {
    await post(session, 'Profiler.enable')
    await post(session, 'Profiler.setSamplingInterval', { interval: intervalUs })
    await compileAnew(session)
    const began = () => say(profileBegan(id, heapBytes()))
    const durationMs = seconds * 1000
    const taken = stallMs > 0
      ? await takeStall(session, { id, durationMs, stallMs }, run, began)
      : await takeOne(session, durationMs, run, began)
    if (run.stopped) throw new Error('it was stopped')
    await fs.promises.writeFile(path, JSON.stringify(taken), { flag: 'wx', mode: 0o600 })
  } finally {
    session.disconnect()
  }
}

async function takeOne (session, durationMs, run, began) {
  await post(session, 'Profiler.start')
  began()
  await wait(durationMs, run)
  return (await post(session, 'Profiler.stop')).profile
}

/**
 * The window in which the loop stands still for `stallMs`. Each window begins before the last one ends: to begin when nothing is
 * recorded, V8 walks through the whole heap. One session can have several profiles at once only as a console has them, which
 * other sessions that profile see as well.
 */
async function takeStall (session, { id, durationMs, stallMs }, run, began) {
  const { console } = require('node:inspector')
  const name = (window) => `plimsoll ${id}.${window}`
  let window = 0
  let ended = null
  session.on('Profiler.consoleProfileFinished', ({ params }) => { if (params.title === name(window)) ended = params.profile })
  console.profile(name(window))
  began()
  let compiledAt = performance.now()
  // One for all windows: it does not see what begins within its first turn.
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  const stood = () => delay.max / 1e6 >= stallMs
  while (!run.stopped && !await within(durationMs, stood, run)) {
    if (performance.now() - compiledAt > COMPILED_FOR_MS) {
      // The loop may have stood still for that.
      if (await compileAnew(session)) delay.reset()
      compiledAt = performance.now()
    }
    console.profile(name(window + 1))
    console.profileEnd(name(window++))
  }
  delay.disable()
  console.profileEnd(name(window))
  return ended
}

/** Does it happen within that time? Told soon after it did. */
async function within (durationMs, happened, run) {
  const end = performance.now() + durationMs
  while (!run.stopped && performance.now() < end) {
    await wait(Math.min(end - performance.now(), STALL_LOOK_MS), run)
    // Whoever measures the loop has a timer too, and may come after this one.
    await new Promise((resolve) => setImmediate(resolve))
    if (happened()) return true
  }
  return false
}

/**
 * Has V8 forget what it has compiled for speed, so that it compiles what is hot once more, and the profiler hears of it: to
 * begin to count coverage does that. Not where the app counts coverage for itself, which would lose what it has. Did it?
 */
async function compileAnew (session) {
  if (!FORGETS_LOOPS || process.env.NODE_V8_COVERAGE) return false
  await post(session, 'Profiler.startPreciseCoverage', { callCount: false, detailed: false })
  await post(session, 'Profiler.stopPreciseCoverage')
  return true
}

/** Waits, or until the order is stopped. The timer never keeps the app alive. */
function wait (durationMs, run) {
  return new Promise((resolve) => {
    if (run.stopped) return resolve()
    const timer = setTimeout(resolve, durationMs).unref()
    run.wake = () => { clearTimeout(timer); resolve() }
  })
}

async function snapshot ({ id, heapBytesMax, path }, run, say) {
  const heap = heapBytes()
  if (heap > heapBytesMax) {
    throw new Error(`its heap holds ${megabytes(heap)}, and there is room for the snapshot of one of ${megabytes(heapBytesMax)}`)
  }
  const session = connect()
  const file = fs.openSync(path, 'wx', 0o600)
  let failure = null
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => { failure ??= append(file, params.chunk) })
  try {
    say(profileBegan(id, heap))
    // The loop stands still until the snapshot is written: what was said must leave before, and so may a stop.
    await new Promise((resolve) => setImmediate(resolve))
    if (run.stopped) throw new Error('it was stopped')
    await post(session, 'HeapProfiler.takeHeapSnapshot', { reportProgress: false })
    if (failure) throw failure
  } catch (error) {
    fs.rmSync(path, { force: true })
    throw error
  } finally {
    session.disconnect()
    fs.closeSync(file)
  }
}

/** Writes a piece; the error where it cannot. V8 goes on all the same, so the first error counts. */
function append (file, text) {
  try {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length;) at += fs.writeSync(file, bytes, at)
    return null
  } catch (error) {
    return error
  }
}

function connect () {
  // Here and not above: a Node.js that was built without the inspector throws.
  const { Session } = require('node:inspector')
  const session = new Session()
  session.connect()
  return session
}

function post (session, method, params) {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => error ? reject(error) : resolve(result))
  })
}

function heapBytes () {
  return v8.getHeapStatistics().used_heap_size
}

function megabytes (bytes) {
  return `${Math.ceil(bytes / MEGA)} MB`
}

module.exports = { obey }
