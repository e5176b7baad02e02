'use strict'
// Which request runs, also after an `await`: asked by the watchdog when it interrupts the loop, and by whoever counts the
// calls of a request.
//
// Exact or not at all. It is known where that is free: from Node 24 on, where the engine itself carries a request's
// context through `await`, and before that where the app uses AsyncLocalStorage anyway, so that the price has been paid.
// Nothing is done before somebody needs it: see `follow`.
const { hasContextFrame, isPaid, ownStorage } = require('./tax.js')

/** What is known of one request while it runs. */
class Running {
  constructor (link) {
    this.slot = link.slot
    this.word = link.word
    /** The `traceparent` that the gateway gave it; empty: it is not traced. */
    this.parent = link.parent
    /** The calls that it makes, to the first origin and to others: see fan_out.js. */
    this.origin = null
    this.calls = null
    this.others = null
  }
}

let storage = null

/** From now on requests are followed, if that is free. Gives whether they are. */
function follow () {
  if (storage === null && (hasContextFrame() || isPaid())) storage = ownStorage()
  return storage !== null
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

module.exports = { follow, current, within, ofLink }
