'use strict'
// Which request of a client makes a call: how many it makes in parallel to one origin, and how many it may.
//
// Exact or not at all. The part of a handler that runs before its first `await` is known from the mark that the watchdog
// uses. What comes after is known where requests are followed (context.js); elsewhere a call after an `await` belongs to
// nobody.
const { current } = require('./context.js')
const { running } = require('./watchdog.js')

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
  const calls = callsOf(current()) ?? ofLink(running())
  if (calls === null) return null
  let group = calls.get(origin)
  if (group === undefined) calls.set(origin, group = new Group())
  return group
}

function callsOf (request) {
  return request === null ? null : request.calls ??= new Map()
}

function ofLink (link) {
  if (link === null) return null
  if (link.calls === null || link.callsWord !== link.word) {
    link.calls = new Map()
    link.callsWord = link.word
  }
  return link.calls
}

module.exports = { groupOf }
