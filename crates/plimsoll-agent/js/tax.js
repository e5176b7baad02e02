'use strict'
// What the app pays for async context, and who made it pay. A hook of `async_hooks`, and before Node 24 also
// AsyncLocalStorage, make every promise dearer, for as long as the process lives, wherever it was asked for.
//
// Who asks is seen by wrapping the methods by which one asks: `run` and `enterWith` until the first call of each, and
// the seldom called `enable` and `disable` of hooks. How much is paid is not measured by hooks of our own, which would be
// the very thing: Node numbers all that hooks are told of, and the number is read twice a second.
const asyncHooks = require('node:async_hooks')
const apart = require('./apart.js')
const { patch } = require('./patch.js')
const wire = require('./wire.js')

const { AsyncLocalStorage, AsyncResource } = asyncHooks
const { AUTHORS_MAX, CALLBACK } = wire.TAX

const CONTEXT_FRAME = 24
const FRAMES = 30
// Ours is told of to hooks, like all that Node makes, and so is its end; nothing is left to the collector.
const MANUAL = { requireManualDestroy: true }
// Hooks that are enabled at the same time and are told apart; Node keeps all of them in a list.
const ENABLED_MAX = 64

const NAMES = {
  init: CALLBACK.INIT,
  before: CALLBACK.BEFORE,
  after: CALLBACK.AFTER,
  destroy: CALLBACK.DESTROY,
  promise_resolve: CALLBACK.PROMISE_RESOLVE,
  promiseResolve: CALLBACK.PROMISE_RESOLVE
}

const { run, enterWith } = AsyncLocalStorage.prototype
let isUsed = false
/** What was seen before there was somebody to tell. */
let authors = []
let told = 0
let say = null
/** Hook → its callbacks, while it is enabled. */
const enabled = new Map()
const known = new WeakSet()
let storageHook = null
let wasOn = false
/** An author was told since it was last told what is paid. */
let isNews = false

/** Before the app's first line. */
function install () {
  for (const name of ['run', 'enterWith']) watchFirst(name)
  const hook = Object.getPrototypeOf(asyncHooks.createHook({}))
  patch(hook, 'enable', (enable) => {
    const watching = like(enable, function () {
      const result = Reflect.apply(enable, this, arguments)
      try {
        enables(this, watching)
      } catch {
        // Then it is not known.
      }
      return result
    })
    return watching
  })
  patch(hook, 'disable', (disable) => like(disable, function () {
    enabled.delete(this)
    return Reflect.apply(disable, this, arguments)
  }))
}

/** Until the first call, which is the last that pays for it. */
function watchFirst (name) {
  const undo = patch(AsyncLocalStorage.prototype, name, (original) => {
    let isSeen = false
    const watching = like(original, function () {
      if (!isSeen) {
        isSeen = true
        isUsed = true
        undo()
        uses(name, watching)
      }
      return Reflect.apply(original, this, arguments)
    })
    return watching
  })
}

function uses (name, below) {
  try {
    const stack = trace(below)
    // From Node 24 on `run` is made of `enterWith`.
    if (!/^ *at AsyncLocalStorage\.run \(node:/.test(stack)) note(name, 0, stack)
  } catch {
    // A frozen `Error`, or no stack left: then it is not known who it was.
  }
}

/** Whoever looks at a function sees the same. */
function like (original, replacement) {
  for (const name of ['name', 'length']) {
    Object.defineProperty(replacement, name, Object.getOwnPropertyDescriptor(original, name))
  }
  return replacement
}

function enables (hook, below) {
  if (hook === storageHook) return
  const callbacks = callbacksOf(hook)
  if (!known.has(hook) && authors.length < AUTHORS_MAX) {
    known.add(hook)
    const stack = trace(below)
    // Before Node 24 AsyncLocalStorage is made of a hook, which is no author.
    if (/^ *at AsyncLocalStorage\._enable /.test(stack)) {
      storageHook = hook
      return
    }
    note('hook', callbacks, stack)
  }
  if (enabled.size < ENABLED_MAX) enabled.set(hook, callbacks)
}

/** What a hook is called for: it keeps its callbacks behind symbols. */
function callbacksOf (hook) {
  let callbacks = 0
  for (const symbol of Object.getOwnPropertySymbols(hook)) {
    const { description } = symbol
    if (typeof hook[symbol] === 'function') callbacks |= NAMES[description] ?? 0
    if (description === 'kNoPromiseHook' && hook[symbol] === true) callbacks |= CALLBACK.NO_PROMISES
  }
  return callbacks
}

function note (what, callbacks, stack) {
  authors.push({ what, callbacks, stack })
  tell()
}

/** The frames above `below`, as V8 writes them, whatever the app has made of `Error`. */
function trace (below) {
  const { stackTraceLimit, prepareStackTrace } = Error
  try {
    Error.stackTraceLimit = FRAMES
    Error.prepareStackTrace = undefined
    const holder = {}
    Error.captureStackTrace(holder, below)
    return holder.stack.split('\n').slice(1).join('\n')
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    Error.prepareStackTrace = prepareStackTrace
  }
}

/** From now on there is somebody to tell; null: not any more. */
function watch (tellFrame) {
  say = tellFrame
  told = 0
  tell()
  look()
}

function tell () {
  for (; say !== null && told < authors.length; told++) {
    const { what, callbacks, stack } = authors[told]
    say(wire.taxAuthor(what, callbacks, stack))
    isNews = true
  }
}

/** Twice a second at most, while requests come. Never throws. */
function look () {
  if (say === null) return
  try {
    const first = number()
    // A promise is numbered where hooks follow it.
    Promise.resolve()
    const resources = number()
    const isOn = resources - first > 1
    if (isOn || wasOn || isNews) say(rate(isOn, resources))
    wasOn = isOn
    isNews = false
  } catch {
    // An app's hook may throw for whatever it is told of.
  }
}

function number () {
  const resource = new AsyncResource('PLIMSOLL', MANUAL)
  // Hooks of the app's may keep what they have been told of until they hear of its end.
  return resource.emitDestroy().asyncId()
}

function rate (isOn, resources) {
  let callbacks = 0
  for (const one of enabled.values()) if ((one & CALLBACK.NO_PROMISES) === 0) callbacks |= one
  const { active } = apart.performance.eventLoopUtilization()
  return wire.taxRate(isOn, callbacks, hasContextFrame(), resources, Math.round(active * 1000))
}

function hasContextFrame () {
  const major = Number(process.versions.node.split('.')[0])
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
  // Before it was the usual thing, Node 22 had it for the asking.
  if (major < CONTEXT_FRAME) return flags.includes('--experimental-async-context-frame')
  return !flags.includes('--no-async-context-frame')
}

/** The app has used AsyncLocalStorage, so that its price is paid. */
function isPaid () {
  return isUsed
}

/** A storage of our own, which is nobody's first use. */
function ownStorage () {
  const storage = new AsyncLocalStorage()
  Object.defineProperties(storage, { run: { value: run }, enterWith: { value: enterWith } })
  return storage
}

module.exports = { install, watch, look, hasContextFrame, isPaid, ownStorage }
