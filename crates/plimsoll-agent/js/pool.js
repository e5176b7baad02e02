'use strict'
// One pool of the app: what is seen of it, and, where connections are shared out over the workers, how many it may have.
// What differs from library to library is in an adapter, such as pool_pg.js.
const { clearTimeout, nextTick, performance, setTimeout } = require('./apart.js')
const { Lease } = require('./lease.js')
const spans = require('./spans.js')
const { Spread } = require('./spread.js')
const { linesOf, takerFrom } = require('./takers.js')
const { Times } = require('./times.js')
const { whose } = require('./whose.js')
const { POOLS } = require('./wire.js')

// So many stacks a second are taken of who takes a connection: each costs a few microseconds.
const TAKERS_PER_SECOND = 100
// Forgotten connections of which it is told where they were taken, in one second and in all.
const LEAKS_PER_SECOND = 5
const LEAKS_MAX = 100
// What was wanted at most in so many looks is still wanted: a pool must not breathe with each request.
const WANTS_KEPT = 3
// After so long without any lent connection one is opened all the same: the app must not stand still.
const ALONE_MS = 1000
// A connection that is being closed, and of which nothing is heard, counts for so long.
const CLOSING_MS = 5000
// All workers have told by then what they have open.
const INSPECT_AFTER_MS = 2500
const INSPECT_EVERY_MS = 60_000

// Less is no wait that a trace should show.
const SPAN_MS = 1

/** In thousandths. */
const SPREAD_MAX = 1e9
const U32_MAX = 0xffff_ffff

const FREE = { enforce: false, mayGrow: false, inspect: false, leakAfterMs: 0, waitTimeoutMs: 0 }

// Plain fields: private ones cost time on Node 18 and 20.
class Pool {
  /** `say` sends to the supervisor. `hold`: no connection is opened until it is known what holds. */
  constructor (number, adapter, target, say, hold) {
    this.number = number
    this.adapter = adapter
    this.target = new WeakRef(target)
    this.say = say
    this.name = adapter.library
    this.isIntroduced = false
    this.rule = null
    /** 0: waits last as long as they may. */
    this.waitTimeoutMs = 0
    this.changed = true
    this.spread = new Spread()
    this.asked = this.got = this.gaveUp = this.refused = this.opened = this.errors = 0
    this.waitedMs = this.usedMs = 0
    this.waits = new Times()
    this.uses = new Times()
    /** Since the last report. */
    this.waitingPeak = this.usedPeak = 0
    /** From when on it counts. */
    this.since = performance.now()
    /** None waited in the time of the last report. */
    this.isCalm = true
    /** So many were open when it was told last. */
    this.openTold = 0
    this.leaked = this.leaksTold = 0
    this.takers = TAKERS_PER_SECOND
    this.waitTimer = null
    this.inspectAt = Infinity
    this.isSizeable = adapter.setMax !== undefined && (adapter.isSizeable?.(target) ?? true)
    /** The app's own size, and the one that was set last. */
    this.ownMax = adapter.max(target)
    this.setTo = -1
    /** As large as it may be. */
    this.size = Infinity
    this.isApplying = this.wakesSoon = this.asksSoon = false
    /** The connections are those that are lent. */
    this.enforced = false
    this.lease = new Lease((serial, wants, held, stamp) => this.say.ask(this.number, serial, wants, held, stamp))
    this.hasLease = false
    this.heldSince = 0
    /** Keeps the process alive while all wait for the first that is lent. */
    this.alive = null
    this.peak = 0
    this.peaks = new Array(WANTS_KEPT).fill(0)
    this.closing = new Map()
    adapter.watchCloses?.(target, () => this.leaves())
    if (hold && this.isSizeable) this.#hold(target)
  }

  /** A connection is asked for now. Gives where in the app, if that is where it is given back. */
  begin (isApp, now) {
    this.say.awake()
    this.asked += 1
    this.spread.add(now)
    this.changed = true
    // While nothing happened nobody has looked: what was lent may be another's by now.
    if (this.enforced && now >= this.lease.until && this.size > 1) this.apply(now)
    let taker = null
    if (isApp && this.takers > 0) {
      this.takers -= 1
      taker = takerFrom(this.begin)
    }
    const span = spans.isWanted.value ? spans.begin(whose()) : null
    return span === null ? taker : Object.assign(taker ?? {}, { span })
  }

  /** It has to wait, as one of so many. */
  wait (waiting, inUse) {
    if (waiting > this.waitingPeak) this.waitingPeak = waiting
    if (this.isCalm) {
      this.isCalm = false
      this.say.soon()
    }
    if (this.enforced) this.#wantSoon(waiting + inUse)
    if (this.enforced && this.size === 0) this.#stayAlive()
    if (this.waitTimeoutMs > 0) this.#watchWait()
  }

  /** One is got, after so long; so many are in use now. `taker` is what `begin` gave. */
  take (waitedMs, inUse, taker) {
    if (waitedMs >= SPAN_MS && spans.isWanted.value) this.#tellWait(taker?.span ?? null, waitedMs)
    if (this.enforced && !this.isIntroduced) this.#introduce(this.target.deref(), true)
    if (this.waitTimer !== null) this.#rest()
    this.changed = true
    this.got += 1
    this.waitedMs += waitedMs
    this.waits.add(waitedMs)
    if (inUse > this.usedPeak) this.usedPeak = inUse
    if (inUse > this.peak) this.peak = inUse
  }

  /** It is given back after so long. */
  give (usedMs) {
    this.changed = true
    this.usedMs += usedMs
    this.uses.add(usedMs)
  }

  /** A connection was opened. */
  opens () {
    this.opened += 1
    this.changed = true
  }

  /** A connection could not be opened. */
  fail () {
    this.errors += 1
    this.changed = true
  }

  /** The app did not want to wait any longer. */
  giveUp () {
    if (this.waitTimer !== null) this.#rest()
    this.gaveUp += 1
    this.changed = true
  }

  /** What holds for the pool has come. */
  setRule (rule, now) {
    this.rule = rule
    this.#limitWaits(this.adapter.refuse === undefined ? 0 : rule.waitTimeoutMs)
    const target = this.target.deref()
    if (target === undefined) return
    if (rule.inspect && this.inspectAt === Infinity) this.inspectAt = now + INSPECT_AFTER_MS
    if (rule.enforce && this.isSizeable) {
      if (!this.enforced) this.#hold(target)
      this.look(now)
    } else {
      this.#letGo(target)
    }
    if (this.waitTimeoutMs > 0 && this.adapter.waiting(target) > 0) this.#watchWait()
  }

  /** Connections are lent, or wanted back. */
  hear (grant, now) {
    if (!this.enforced || !this.lease.hear(grant)) return
    if (grant.amount > 0) this.hasLease = true
    this.apply(now)
    this.#ask(now)
  }

  /** Nothing is shared out any more: the supervisor is gone. */
  free () {
    this.rule = FREE
    this.#limitWaits(0)
    const target = this.target.deref()
    if (target !== undefined) this.#letGo(target)
  }

  /** A connection has left the pool: that is to be told, also where nothing else happens. */
  leaves () {
    this.say.awake()
    this.changed = true
  }

  /** One that has left counts until its end is heard. Gives what is to be called then. */
  closes (client, now) {
    if (!this.enforced) return null
    this.closing.set(client, now)
    this.apply(now)
    return () => this.#closed(client)
  }

  /** Makes the pool as large as it may be now, and no larger. */
  apply (now) {
    const target = this.target.deref()
    // To close some is heard of here again.
    if (target === undefined || !this.enforced || this.isApplying) return
    this.isApplying = true
    try {
      this.#fit(now, target)
    } catch {
      // A library of another make than we know: it stays as the app made it.
      this.isSizeable = false
      this.#letGo(target)
    }
    this.isApplying = false
  }

  #fit (now, target) {
    const { adapter } = this
    this.#resize(now, target)
    if (adapter.open(target) > this.size) {
      adapter.closeIdle(target, adapter.open(target) - this.size)
      this.#resize(now, target)
    }
    if (adapter.waiting(target) > 0) this.#wakeSoon()
  }

  /** In a tick of its own: it may run code of the app, whose errors are the app's. */
  #wakeSoon () {
    if (this.wakesSoon) return
    this.wakesSoon = true
    nextTick(() => {
      this.wakesSoon = false
      const target = this.target.deref()
      if (target !== undefined) this.adapter.wake(target)
    })
  }

  /** The library opens none in the place of one that is still being closed. */
  #resize (now, target) {
    const { adapter } = this
    if (this.setTo >= 0 && adapter.max(target) !== this.setTo) this.ownMax = adapter.max(target)
    this.size = this.#size(now)
    if (this.size > 0) this.#letEnd()
    this.setTo = Math.max(0, this.size - this.closing.size)
    adapter.setMax(target, this.setTo)
  }

  /** One that is given back is not to be kept. */
  isTooLarge (open) {
    return this.enforced && open > this.size
  }

  /** Ten times a second where connections are shared out. */
  look (now) {
    const target = this.target.deref()
    if (target === undefined || !this.enforced) return
    for (const [client, since] of this.closing) if (now - since > CLOSING_MS) this.closing.delete(client)
    this.peaks.push(Math.max(this.peak, this.#current(target)))
    this.peaks.shift()
    this.peak = 0
    this.apply(now)
    this.#ask(now)
  }

  /** What was wanted a moment ago still counts: it must be looked at again soon. */
  isSettling () {
    return this.enforced && this.peaks.some((peak) => peak > 1)
  }

  /** Once a second while something happens. False: there is nothing to look after. */
  tick (now, target) {
    this.takers = TAKERS_PER_SECOND
    if (!this.isIntroduced) this.#introduce(target, false)
    this.#lookForLeaks(now, target)
    if (this.rule !== null && this.rule.inspect && now >= this.inspectAt) this.#inspect(now, target)
    if (this.waitTimer !== null) this.#rest()
    const { adapter } = this
    const [open, waiting] = [adapter.open(target), adapter.waiting(target)]
    // Also where nothing moves a wait grows longer.
    if (waiting > 0 || open !== this.openTold) this.changed = true
    return this.changed || open > adapter.idle(target) || (this.enforced && open > 0)
  }

  /** The figures since it was first seen, in the order of the crate's `Figures`. */
  figures (now, target) {
    const { adapter } = this
    const us = (ms) => Math.round(ms * 1000)
    const open = adapter.open(target)
    const idle = adapter.idle(target)
    const waiting = adapter.waiting(target)
    const oldest = waiting > 0 ? Math.max(0, now - (adapter.oldest(target) ?? now)) : 0
    const peaks = [Math.max(this.waitingPeak, waiting), Math.max(this.usedPeak, open - idle)]
    this.waitingPeak = waiting
    this.usedPeak = open - idle
    this.isCalm = peaks[0] === 0
    this.openTold = open
    this.changed = false
    const overUs = us(Math.max(0, now - this.since))
    this.since = now
    const { leaked, asked, got, refused, opened, errors } = this
    const figures = {
      open, idle, waiting, leaked, asked, got, refused, opened, errors,
      oldest_us: us(oldest),
      max: finite(adapter.max(target)),
      gave_up: this.gaveUp,
      waited_us: us(this.waitedMs),
      used_us: us(this.usedMs),
      waiting_peak: peaks[0],
      used_peak: peaks[1],
      spread: Math.min(Math.round(this.spread.take(now) * 1000), SPREAD_MAX),
      over_us: overUs
    }
    return [...POOLS.FIGURES.map((name) => figures[name]), ...this.waits.counts, ...this.uses.counts]
  }

  #introduce (target, isUrgent) {
    const about = target === undefined ? null : this.adapter.describe(target, isUrgent)
    if (about === null) return
    this.isIntroduced = true
    const { library = this.adapter.library, server, database } = about
    this.name = `${library}${server && '@'}${server}${database && '/'}${database}`
    this.say.pool(this.number, library, server, database, finite(this.ownMax), this.isSizeable, this.adapter.isShared === true)
  }

  #hold (target) {
    this.enforced = true
    this.heldSince = performance.now()
    if (!this.isIntroduced) this.#introduce(target, true)
    // Where it leads is known from its first connection: that one is opened.
    if (!this.isIntroduced) this.hasLease = true
    this.apply(this.heldSince)
  }

  #letGo (target) {
    if (!this.enforced) return
    this.enforced = false
    this.#letEnd()
    this.closing.clear()
    if (this.adapter.max(target) === this.setTo) this.adapter.setMax(target, this.ownMax)
    this.setTo = -1
    this.#wakeSoon()
  }

  /** The app waits. One is opened after so long, whatever is heard until then. */
  #stayAlive () {
    this.alive ??= setTimeout(() => {
      this.alive = null
      this.look(performance.now())
    }, ALONE_MS)
  }

  #letEnd () {
    clearTimeout(this.alive)
    this.alive = null
  }

  /** Nothing before the first answer, and never less than one connection after it. */
  #size (now) {
    const isAlone = now - this.heldSince > ALONE_MS
    return Math.min(this.#most(), Math.max(this.lease.amount(now), this.hasLease || isAlone ? 1 : 0))
  }

  /** As large as it may become, whatever is lent. */
  #most () {
    return this.rule?.mayGrow ? Infinity : whole(this.ownMax) || Infinity
  }

  #current (target) {
    const { adapter } = this
    return adapter.open(target) - adapter.idle(target) + adapter.waiting(target)
  }

  #ask (now) {
    const target = this.target.deref()
    if (target === undefined || this.rule === null) return
    const wants = Math.min(this.#most(), Math.max(1, this.#current(target), ...this.peaks))
    this.lease.ask(count(wants), count(this.adapter.open(target) + this.closing.size), now)
  }

  #wantSoon (wants) {
    if (wants > this.peak) this.peak = wants
    if (this.asksSoon || !this.lease.isMore(Math.min(wants, this.#most()))) return
    this.asksSoon = true
    nextTick(() => {
      this.asksSoon = false
      if (this.enforced) this.#ask(performance.now())
    })
  }

  #closed (client) {
    if (!this.closing.delete(client)) return
    const now = performance.now()
    this.apply(now)
    this.#ask(now)
  }

  #limitWaits (ms) {
    this.waitTimeoutMs = ms
    clearTimeout(this.waitTimer)
    this.waitTimer = null
  }

  /** Waits end in the order in which they began, so that one timer does for all. */
  #watchWait () {
    if (this.waitTimer !== null) return this.waitTimer.ref()
    const target = this.target.deref()
    if (target === undefined) return
    const since = this.adapter.oldest(target) ?? performance.now()
    const left = Math.max(1, since + this.waitTimeoutMs - performance.now())
    // It may keep the app alive: the app waits.
    this.waitTimer = setTimeout(() => {
      this.waitTimer = null
      this.#refuseLate(target)
    }, left)
  }

  /** When nobody waits any more it does not. */
  #rest () {
    const target = this.target.deref()
    if (target === undefined || this.adapter.waiting(target) === 0) this.waitTimer.unref()
  }

  #refuseLate (target) {
    const { adapter, waitTimeoutMs } = this
    if (waitTimeoutMs === 0) return
    while (adapter.waiting(target) > 0) {
      const waitedMs = performance.now() - (adapter.oldest(target) ?? Infinity)
      if (!(waitedMs >= waitTimeoutMs - 1)) break
      this.refused += 1
      this.changed = true
      adapter.refuse(target, this.#error(target, waitedMs))
    }
    if (adapter.waiting(target) > 0) this.#watchWait()
  }

  /** Asks the server itself, over a connection that is idle. */
  #inspect (now, target) {
    const tell = (limit, open) => limit > 0 && open >= 0 && this.say.server(this.number, limit, open)
    if (this.adapter.inspect?.(target, tell)) this.inspectAt = now + INSPECT_EVERY_MS
  }

  #error (target, waitedMs) {
    const { adapter } = this
    const inUse = adapter.open(target) - adapter.idle(target)
    const waiting = adapter.waiting(target)
    const error = new Error(
      `no connection of the pool ${this.name} came free within ${Math.round(waitedMs)} ms: ${inUse} of ` +
      `${adapter.max(target)} are in use, and ${waiting === 1 ? '1 request waits' : `${waiting} requests wait`} for one`)
    return Object.assign(error, { name: 'TimeoutError', code: 'EPLIMSOLL_POOL', pool: this.name })
  }

  /** A traced request has waited. `span`: of a traced request; null: it is not known whose wait it was. */
  #tellWait (span, waitedMs) {
    if (!spans.isTold(span, waitedMs, false)) return
    const now = performance.now()
    spans.end(span ?? spans.ofNobody(), now, {
      kind: 'pool', to: this.name, method: '', path: '', began: now - waitedMs, waitedMs: 0, status: 0, error: ''
    })
  }

  #lookForLeaks (now, target) {
    const afterMs = this.rule?.leakAfterMs ?? 0
    if (afterMs === 0) return
    let told = 0
    const before = this.leaked
    this.leaked = 0
    this.adapter.held(target, (since, taker, isTold) => {
      if (!(since > 0) || now - since <= afterMs) return false
      this.leaked += 1
      if (isTold || told >= LEAKS_PER_SECOND || this.leaksTold >= LEAKS_MAX) return false
      told += 1
      this.leaksTold += 1
      this.say.leak(this.number, Math.round(now - since), linesOf(taker))
      return true
    })
    if (this.leaked !== before) this.changed = true
  }
}

/** A size as the app set it, in whole connections: one at least, and 0 where it has no bound that is known. */
function whole (max) {
  const size = Number(max)
  return size > 0 ? Math.max(1, Math.floor(size)) : 0
}

/** As it is sent: a frame with another number would be a mistake, for which the process is ended. */
function count (number) {
  return Math.min(Math.max(0, Math.floor(number)) || 0, U32_MAX)
}

function finite (max) {
  return Number.isFinite(Number(max)) ? count(whole(max)) : 0
}

module.exports = { Pool }
