'use strict'
// Which request of a client makes a call: how many it makes in parallel to one origin, and how many it may.
//
// Exact or not at all. The part of a handler that runs before its first `await` is known from the mark that the watchdog
// uses. What comes after is known where Node carries a request's context through `await` at no cost, from version 24
// on; elsewhere a call after an `await` belongs to nobody.
const { running } = require('./watchdog.js')

const CONTEXT_FRAME = 24

/** The requests' context, once the app has made a call. */
let storage = null

/** The calls of one request to one origin. */
class Group {
  /** They count against the limit of a request. */
  inFlight = 0
  /** Those that wait for them. */
  waiting = null
  #calls = 0
  #most = 0

  join () {
    this.#calls += 1
    if (this.#calls > this.#most) this.#most = this.#calls
  }

  hasRoom ({ perRequest }) {
    return perRequest === 0 || this.inFlight < perRequest
  }

  /** One has ended. Gives how many there were at once when the last one has, else 0. */
  leave () {
    this.#calls -= 1
    if (this.#calls > 0) return 0
    const most = this.#most
    this.#most = 0
    return most
  }
}

/** The group that a call to `origin` belongs to; null: it is not known. */
function groupOf (origin) {
  const request = storage?.getStore() ?? ofLink(running())
  if (request === null) return null
  let group = request.get(origin)
  if (group === undefined) request.set(origin, group = new Group())
  return group
}

function ofLink (link) {
  if (link === null) return null
  if (link.calls === null || link.callsWord !== link.word) {
    link.calls = new Map()
    link.callsWord = link.word
  }
  return link.calls
}

/** From now on requests are known also after an `await`, where that costs nothing. */
function follow () {
  if (storage !== null || !isFree()) return
  const { AsyncLocalStorage } = require('node:async_hooks')
  storage = new AsyncLocalStorage()
}

function isFree () {
  const major = Number(process.versions.node.split('.')[0])
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
  return major >= CONTEXT_FRAME && !flags.includes('--no-async-context-frame')
}

/** Runs what handles a request: see link.js. */
function within (step, request, keepAlive) {
  return storage === null ? step(request, keepAlive) : storage.run(new Map(), step, request, keepAlive)
}

module.exports = { follow, groupOf, within }
