'use strict'
// All downstreams of this process, and the one timer that looks after them while calls are made.
const { outside, performance, setTimeout } = require('./apart.js')
const { follow } = require('./context.js')
const { Origin, TICKS_PER_SECOND } = require('./origin.js')
const wire = require('./wire.js')

const { ORIGINS_MAX, NAME_MAX, OTHERS } = wire.CALLS
// Spellings that are remembered of so many origins at most.
const SPELLINGS_MAX = 4 * ORIGINS_MAX
const TICK_MS = 1000 / TICKS_PER_SECOND

let current = null

function open (say, hold) {
  current ??= new Origins(say, hold)
  return current
}

// Plain fields where each call passes: private ones cost time on Node 18 and 20.
class Origins {
  #hold
  #all = []
  #names = new Map()
  #spellings = new Map()
  #ticks = 0
  #say

  constructor (say, hold) {
    // Most calls go where the last one went.
    this.last = { scheme: null, host: null, port: null, origin: null }
    this.timer = null
    this.tick = () => this.#lookAround()
    this.arm = () => setTimeout(this.tick, TICK_MS).unref()
    this.#say = {
      origin: (number, name) => say(wire.origin(number, name)),
      ask: (...fields) => say(wire.ask(...fields)),
      calls: (number, figures) => say(wire.calls(number, figures)),
      fanOut: (...fields) => say(wire.fanOut(...fields)),
      samples: (...fields) => say(wire.samples(...fields)),
      outcomes: (number, outcomes) => say(wire.outcomes(number, outcomes)),
      probe: (number) => say(wire.probe(number)),
      probed: (number, what) => say(wire.probed(number, what)),
      broken: (...fields) => say(wire.broken(...fields))
    }
    this.#hold = hold
    follow()
  }

  /** By scheme (`http:`), host and port as some library writes them. */
  of (scheme, host, port) {
    const last = this.last
    if (host === last.host && port === last.port && scheme === last.scheme) return last.origin
    const spelling = `${scheme}//${host}:${port}`
    const origin = this.#spellings.get(spelling) ?? this.#spelt(spelling, normal(scheme, host, port))
    this.last = { scheme, host, port, origin }
    return origin
  }

  /** The calls of the origin are to be looked after. */
  awake () {
    this.timer ??= outside(this.arm)
  }

  hear ({ origin: number, limit, grant, breaker }) {
    const origin = this.#all[number]
    if (origin === undefined) return
    if (limit) origin.setLimit(limit, performance.now())
    else if (breaker) origin.hearBreaker(breaker, performance.now())
    else origin.hear(grant, performance.now())
    this.awake()
  }

  free () {
    this.#hold = false
    for (const origin of this.#all) origin.free(performance.now())
  }

  #spelt (spelling, name) {
    const origin = this.#named(name)
    if (this.#spellings.size >= SPELLINGS_MAX) this.#spellings.clear()
    this.#spellings.set(spelling, origin)
    return origin
  }

  #named (name) {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    if (this.#all.length >= ORIGINS_MAX || Buffer.byteLength(name) > NAME_MAX) {
      return this.#names.get(OTHERS) ?? this.#make(OTHERS, false)
    }
    return this.#make(name, this.#hold)
  }

  #make (name, hold) {
    const origin = new Origin(this.#all.length, name, this.#say, hold)
    this.#all.push(origin)
    this.#names.set(name, origin)
    this.#say.origin(origin.number, name)
    return origin
  }

  #lookAround () {
    this.timer = null
    this.#ticks += 1
    const now = performance.now()
    const reports = this.#ticks % TICKS_PER_SECOND === 0
    let busy = false
    for (const origin of this.#all) {
      if (origin.tick(now)) busy = true
      if (reports && origin.seen.changed) this.#say.calls(origin.number, origin.figures())
    }
    if (busy) this.awake()
  }
}

/** As a URL's origin is written: the default port left out, names in lower case. */
function normal (scheme, host, port) {
  const isDefault = Number(port) === (scheme === 'https:' ? 443 : 80)
  const bare = String(host).toLowerCase()
  const written = bare.includes(':') && !bare.startsWith('[') ? `[${bare}]` : bare
  return isDefault || port === '' ? `${scheme}//${written}` : `${scheme}//${written}:${port}`
}

module.exports = { open }
