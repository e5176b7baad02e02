'use strict'
// Which request of a client makes a call: how many it makes in parallel to one origin, and how many it may.
//
// Exact or not at all. The part of a handler that runs before its first `await` is known from the mark that the watchdog
// uses. What comes after is known where requests are followed (context.js); elsewhere a call after an `await` belongs to
// nobody.
const { performance } = require('./apart.js')
const { Seldom } = require('./seldom.js')
const { whose } = require('./whose.js')

// Calls of one request that are remembered because they failed.
const FAILED_MAX = 64

/** The fan-outs of this process. */
const seldom = new Seldom()

/** The calls of one request to one origin. */
class Group {
  #calls = 0
  #most = 0
  #told = 0
  /** They count against the limit of a request. */
  inFlight = 0
  /** Those that wait for them. */
  waiting = null
  /** What failed, by method and path. */
  failed = null

  constructor (request) {
    this.request = request
  }

  join () {
    this.#calls += 1
    if (this.#calls > this.#most) this.#most = this.#calls
  }

  /** A call is over: made again, it is a retry if this one failed. */
  remember (call, hasFailed) {
    if (!hasFailed) return this.failed?.delete(call.what())
    this.failed ??= new Set()
    if (this.failed.size < FAILED_MAX) this.failed.add(call.what())
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
    const { slot, word } = this.request
    const isWidest = this.#most > origin.seen.fan_out_told
    const now = performance.now()
    if (slot === 0 || (!seldom.isDue(now) && !isWidest)) return
    seldom.said(now)
    this.#told = this.#most
    if (isWidest) origin.seen.fan_out_told = this.#most
    origin.say.fanOut(origin.number, slot - 1, word, this.#most)
  }
}

/** The group that a call to `origin` belongs to; null: it is not known. */
function groupOf (origin) {
  const request = whose()
  if (request === null) return null
  // Most requests call one origin only.
  if (request.origin === origin) return request.calls
  if (request.origin === null) {
    request.origin = origin
    return request.calls = new Group(request)
  }
  request.others ??= new Map()
  let group = request.others.get(origin)
  if (group === undefined) request.others.set(origin, group = new Group(request))
  return group
}

module.exports = { groupOf, Group }
