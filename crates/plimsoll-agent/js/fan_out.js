'use strict'
// Which request of a client makes a call: how many it makes in parallel to one origin, and how many it may.
//
// Exact or not at all. The part of a handler that runs before its first `await` is known from the mark that the watchdog
// uses. What comes after is known where Node carries a request's context through `await` at no cost, from version 24
// on; elsewhere a call after an `await` belongs to nobody.
const { running } = require('./watchdog.js')

const CONTEXT_FRAME = 24
// Of the fan-outs of this process so many are told with their request, from which the supervisor knows the route.
const TOLD_EVERY_MS = 50

/** The requests' context, once the app has made a call. */
let storage = null
let toldAt = -TOLD_EVERY_MS

/** A client's request, as the gateway knows it: the slot plus one, 0 for none, and its word. */
class Caller {
  constructor (slot, word) {
    this.slot = slot
    this.word = word
    /** Its calls by origin. */
    this.groups = null
  }

  groupOf (origin) {
    this.groups ??= new Map()
    let group = this.groups.get(origin)
    if (group === undefined) this.groups.set(origin, group = new Group(this))
    return group
  }
}

/** The calls of one request to one origin. */
class Group {
  #caller
  #calls = 0
  #most = 0
  #told = 0
  /** They count against the limit of a request. */
  inFlight = 0
  /** Those that wait for them. */
  waiting = null

  constructor (caller) {
    this.#caller = caller
  }

  join () {
    this.#calls += 1
    if (this.#calls > this.#most) this.#most = this.#calls
  }

  hasRoom ({ perRequest }) {
    return perRequest === 0 || this.inFlight < perRequest
  }

  /** One has ended. Gives how many there were at once when the last one has, else 0. */
  leave (origin) {
    // At the first of several that ends the request waits for the others, so that the gateway still knows it.
    if (this.#most > 1 && this.#most > this.#told) this.#tell(origin)
    this.#calls -= 1
    if (this.#calls > 0) return 0
    const most = this.#most
    this.#most = this.#told = 0
    return most
  }

  /** A part of them, and the widest always. */
  #tell (origin) {
    const { slot, word } = this.#caller
    const isWidest = this.#most > origin.seen.fan_out_told
    const now = performance.now()
    if (slot === 0 || (now - toldAt < TOLD_EVERY_MS && !isWidest)) return
    toldAt = now
    this.#told = this.#most
    if (isWidest) origin.seen.fan_out_told = this.#most
    origin.say.fanOut(origin.number, slot - 1, word, this.#most)
  }
}

/** The group that a call to `origin` belongs to; null: it is not known. */
function groupOf (origin) {
  const caller = storage?.getStore() ?? ofLink(running())
  return caller === null ? null : caller.groupOf(origin)
}

function ofLink (link) {
  if (link === null) return null
  if (link.caller === null || link.caller.word !== link.word) link.caller = new Caller(link.slot, link.word)
  return link.caller
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
function within (link, step, request, keepAlive) {
  if (storage === null) return step(request, keepAlive)
  return storage.run(new Caller(link.slot, link.word), step, request, keepAlive)
}

module.exports = { follow, groupOf, within }
