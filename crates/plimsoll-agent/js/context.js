'use strict'
// Which request runs, also after an `await`: asked by the watchdog when it interrupts the loop, and by whoever counts the
// calls of a request.
//
// Exact or not at all. It is known where that is free: from Node 24 on, where the engine itself carries a request's
// context through `await`, and before that where the app uses AsyncLocalStorage anyway, so that the price has been paid.
// Nothing is done before somebody needs it: see `follow`.
const { AsyncLocalStorage } = require('node:async_hooks')
const { patch } = require('./patch.js')

const CONTEXT_FRAME = 24

/** What is known of one request while it runs. */
class Running {
  constructor (link) {
    this.slot = link.slot
    this.word = link.word
    /** The `traceparent` that the gateway gave it; empty: it is not traced. */
    this.parent = link.parent
    /** The calls that it makes: see fan_out.js. */
    this.calls = null
  }
}

let storage = null
let isUsed = false

/** Looks whether the app uses AsyncLocalStorage, until it has. Once, where that matters. */
function watchUse () {
  if (hasContextFrame()) return
  const undo = ['run', 'enterWith'].map((name) => patch(AsyncLocalStorage.prototype, name, (original) => function () {
    if (!isUsed) {
      isUsed = true
      for (const one of undo) one()
    }
    return Reflect.apply(original, this, arguments)
  }))
}

/** From now on requests are followed, if that is free. Gives whether they are. */
function follow () {
  if (storage === null && (hasContextFrame() || isUsed)) storage = new AsyncLocalStorage()
  return storage !== null
}

function hasContextFrame () {
  const major = Number(process.versions.node.split('.')[0])
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
  // Before it was the usual thing, Node 22 had it for the asking.
  if (major < CONTEXT_FRAME) return flags.includes('--experimental-async-context-frame')
  return !flags.includes('--no-async-context-frame')
}

/** The request that runs; null: it is not known. */
function current () {
  return storage?.getStore() ?? null
}

/** Runs what handles the request of a link. */
function within (step, link, request, keepAlive) {
  return storage === null ? step(request, keepAlive) : storage.run(new Running(link), step, request, keepAlive)
}

/** The request of a link, while its synchronous part runs. */
function ofLink (link) {
  if (link === null) return null
  if (link.caller === null || link.caller.word !== link.word) link.caller = new Running(link)
  return link.caller
}

module.exports = { watchUse, follow, current, within, ofLink }
