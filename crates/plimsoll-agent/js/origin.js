'use strict'
// One downstream, by scheme, host and port: what is known of the calls to it, and who of them has to wait.
const { apart, clearInterval, clearTimeout, nextTick, outside, performance, setInterval, setTimeout } = require('./apart.js')
const { isRepeatable, Breaker } = require('./breaker.js')
const { BROKE, OVER, RUNNING, TIMED_OUT, WAITING } = require('./call.js')
const { Lease } = require('./lease.js')
const { Bucket } = require('./rate.js')
const { breakerError, queueError, retryError } = require('./refused.js')
const { Seen } = require('./seen.js')
const { Shadow } = require('./shadow.js')
const { isWanted } = require('./spans.js')
const { WATCHED } = require('./wire.js').CALLS

// An answer of which nobody has read anything for so long holds its slot no longer.
const ABANDONED_MS = 30_000
const TICKS_PER_SECOND = 10
// Nothing happens by this timer, so that it need not come soon.
const ALIVE_MS = 60_000

const FREE = {
  enforce: false,
  concurrency: 0,
  rate: 0,
  burst: 0,
  queue: 0,
  queueTimeoutMs: 0,
  perRequest: 0,
  adaptive: false,
  breaker: WATCHED.OFF,
  retryPercent: 0,
  retryLeast: 0
}

// Plain methods where each call passes: private ones cost time on Node 18 and 20.
class Origin {
  /** `say` sends to the supervisor. `hold`: calls wait until it is known what holds for them. */
  constructor (number, name, say, hold) {
    this.number = number
    this.name = name
    this.say = say
    this.hold = hold
    this.limit = FREE
    /** Keeps the process alive while calls wait for that: the app waits for them. */
    this.alive = null
    this.inFlight = 0
    this.queue = new Set()
    /** In the queue, and for others of the same request. */
    this.waiting = 0
    this.oldest = null
    this.newest = null
    this.isDraining = false
    this.lease = this.#leaseOf('concurrency')
    this.rate = null
    this.bucket = null
    this.bucketTimer = null
    this.breaker = null
    /** Calls in flight or in the queue that were made before, and failed. */
    this.retries = 0
    this.shadow = new Shadow()
    /** Where the limit is found out: how long calls take. */
    this.samples = null
    this.asksSoon = false
    this.seen = new Seen()
    /** Since the last tick: what is wanted of the budgets. */
    this.peak = 0
    this.begun = 0
  }

  /** The app makes a call. It is started now, or later, or refused. */
  begin (call, now) {
    const { group } = call
    call.began = now
    this.begun += 1
    if (group !== null) group.join()
    if (this.breaker !== null && this.breaker.isOpen) return this.#tryIt(call, now)
    if (group === null) return this.admit(call, now)
    if (group.failed !== null && group.failed.has(call.what()) && !this.#mayRepeat(call)) return
    if (!this.limit.enforce || group.hasRoom(this.limit)) return this.admit(call, now)
    if (this.#isFull()) return this.#refuse(call, now)
    group.waiting ??= new Set()
    this.#wait(call, group.waiting)
  }

  /** The call is over. `status` is 0 where there was no answer, or a broken one: then `how` says why. */
  end (call, now, status, how = BROKE) {
    if (call.state === WAITING) return this.leave(call)
    if (call.state !== RUNNING) return
    call.state = OVER
    if (isWanted.value) call.tell(now, status, how)
    this.unlink(call)
    this.inFlight -= 1
    this.seen.ended(now - call.began, status, how)
    if (this.samples !== null && (status !== 0 || how === TIMED_OUT)) this.samples.add(now - call.ran, now)
    if (this.breaker !== null) this.breaker.ended(call, status, how, now)
    if (call.group !== null) this.endInGroup(call, isRepeatable(status, how))
    if (!this.limit.enforce) {
      if (call.shadow !== 0) this.shadow.end(call, this.shadowRoom(now), this.limit, now)
      return
    }
    if (this.lease.isOver(this.inFlight)) this.#ask(now)
    if (this.waiting > 0 && this.queue.size > 0) this.drain(now)
  }

  /** A call for which no limit can hold. */
  pass (call, now) {
    call.began = now
    call.state = RUNNING
    this.seen.streams += 1
    this.seen.begun(this.inFlight + this.seen.streams)
    call.group?.join()
  }

  passed (call, now, status, how) {
    if (call.state !== RUNNING) return
    call.state = OVER
    if (isWanted.value) call.tell(now, status, how)
    this.seen.streams -= 1
    this.seen.unlimited += 1
    this.seen.ended(now - call.began, status, how)
    if (call.group !== null) this.leaveGroup(call)
  }

  /** The app has given a waiting call up. */
  leave (call) {
    if (call.state !== WAITING) return
    this.#stopWaiting(call)
    call.state = OVER
    this.seen.changed = true
    if (this.breaker?.probe === call) this.breaker.tried('nothing', performance.now())
    if (call.group !== null) this.leaveGroup(call)
    if (this.queue.size > 0) this.drain(performance.now())
  }

  /** What holds for the origin has come. */
  setLimit (limit, now) {
    this.limit = limit
    this.#release()
    if (limit.rate > 0 && limit.enforce) {
      this.rate ??= this.#leaseOf('rate')
      this.bucket ??= new Bucket()
    }
    if (limit.adaptive && this.samples === null) this.#sample()
    if (limit.breaker !== WATCHED.OFF) this.breaker ??= new Breaker(this.number, this.say, limit.breaker)
    this.#sortOut()
    for (const line of [this.queue, this.breaker?.line ?? []]) for (const call of line) this.#watch(call)
    this.#ask(now)
    this.drain(now)
  }

  /** A part of a budget has come, or is wanted back. */
  hear (grant, now) {
    const lease = grant.budget === 'rate' ? this.rate : this.lease
    if (lease === null || !lease.hear(grant)) return
    if (lease === this.rate) this.bucket.set(grant.amount, this.limit, now)
    this.drain(now)
    this.#ask(now)
  }

  /** The breaker has opened or closed, or a call may be tried. */
  hearBreaker (told, now) {
    // Only one that holds is told of, and a fresh process hears of it before it hears of its limit.
    const breaker = this.breaker ??= new Breaker(this.number, this.say, WATCHED.ENFORCE)
    breaker.hear(told, now)
    // Who was to be tried waits as all others do, or goes with them.
    if (told.state !== 'open' || told.forMs > 0) this.#intoLine(breaker.line)
    if (told.state === 'open') return this.#refuseAll(now)
    this.drain(now)
  }

  /** Nothing is limited any more: the supervisor is gone. */
  free (now) {
    if (this.breaker !== null) this.#intoLine(this.breaker.line)
    this.breaker = null
    this.limit = FREE
    this.#release()
    this.samples = null
    this.drain(now)
  }

  /** Starts whose turn it is. */
  drain (now) {
    // A call that fails at once ends within the loop, which goes on by itself.
    if (this.hold || this.isDraining) return
    this.isDraining = true
    for (const call of this.queue) {
      if (this.limit.enforce && !this.hasRoom(now)) break
      this.#go(call, now)
    }
    this.isDraining = false
    if (this.queue.size > 0) this.#askSoon()
  }

  /** Ten times a second while something happens. False: there is nothing to look after. */
  tick (now) {
    const { oldest } = this
    if (oldest !== null && now - oldest.began > ABANDONED_MS) this.#lookForAbandoned(now)
    if (this.limit.concurrency > 0 || this.limit.rate > 0) this.#ask(now)
    if (this.queue.size > 0) this.drain(now)
    if (this.breaker !== null) this.breaker.tick(now)
    if (this.samples !== null && this.peak > 0) this.say.samples(this.number, this.peak, this.samples.take(now))
    this.peak = this.inFlight
    this.begun = 0
    return this.inFlight > 0 || this.seen.streams > 0 || this.waiting > 0 || this.seen.changed
  }

  /** The figures since the process began, in the order of the crate's `Figures`. */
  figures () {
    const { inFlight, waiting, shadow } = this
    return this.seen.report({
      in_flight: inFlight + this.seen.streams,
      waiting,
      would_queue: shadow.queued,
      would_wait_ms: shadow.waitedMs,
      would_refuse: shadow.refused
    })
  }

  admit (call, now) {
    const { limit } = this
    if (call.group !== null) this.enterGroup(call)
    if (!limit.enforce && !this.hold) {
      if (limit.concurrency > 0) this.shadow.begin(call, this.shadowRoom(now), limit, now)
      return this.run(call, now)
    }
    // Those in the queue are among those that wait; to ask a set for its size takes a while.
    if (!this.hold && (this.waiting === 0 || this.queue.size === 0) && this.hasRoom(now)) return this.run(call, now)
    if (!this.hold && this.#isFull()) return this.#refuse(call, now)
    this.#wait(call, this.queue)
    this.#askSoon()
  }

  run (call, now) {
    call.state = RUNNING
    call.ran = now
    this.inFlight += 1
    if (this.inFlight > this.peak) this.peak = this.inFlight
    this.seen.begun(this.inFlight)
    call.older = this.newest
    if (this.newest === null) this.oldest = call
    else this.newest.newer = call
    this.newest = call
    call.start()
  }

  /** A call that waited. */
  #go (call, now) {
    this.#stopWaiting(call)
    this.seen.waited(now - call.began)
    apart(() => this.run(call, now))
  }

  #wait (call, line) {
    call.state = WAITING
    this.waiting += 1
    this.seen.changed = true
    call.line = line
    line.add(call)
    call.wait()
    if (this.hold) this.alive ??= setInterval(() => {}, ALIVE_MS)
    // In a tick of its own: by then it is known how long the app itself wants to wait.
    nextTick(() => this.#watch(call))
  }

  /** What came before the limit was known: of each request only so many stand in the line of all. */
  #sortOut () {
    if (this.limit.perRequest === 0) return
    const grouped = [...this.queue].filter(({ group }) => group !== null)
    for (const call of grouped) {
      call.inGroup = false
      call.group.inFlight -= 1
    }
    for (const call of grouped) {
      if (call.group.hasRoom(this.limit)) {
        this.enterGroup(call)
        continue
      }
      call.group.waiting ??= new Set()
      this.#standIn(call, call.group.waiting)
      this.#watch(call)
    }
  }

  #watch (call) {
    if (call.state !== WAITING) return
    const { queueTimeoutMs } = this.limit
    if (this.limit === FREE || call.timer !== null) return
    // It may keep the app alive: the app waits for the call.
    call.timer = setTimeout(() => this.#refuseLate(call), Math.max(0, call.began + queueTimeoutMs - performance.now()))
  }

  #stopWaiting (call) {
    call.line.delete(call)
    this.waiting -= 1
    call.line = null
    if (call.timer !== null) clearTimeout(call.timer)
    call.timer = null
    if (this.waiting === 0) this.#letEnd()
  }

  /** It is known what holds. */
  #release () {
    this.hold = false
    this.#letEnd()
  }

  #letEnd () {
    clearInterval(this.alive)
    this.alive = null
  }

  #refuseLate (call) {
    if (call.state !== WAITING) return
    this.#stopWaiting(call)
    this.#refuse(call, performance.now())
  }

  #refuse (call, now) {
    this.#turnAway(call, 'refused', queueError(this, now - call.began), now)
  }

  #turnAway (call, figure, error, now) {
    call.state = OVER
    this.seen.wasRefused(figure)
    if (this.breaker !== null && this.breaker.probe === call) this.breaker.tried('nothing', now)
    if (call.group !== null) this.leaveGroup(call)
    call.refuse(error)
  }

  /** The breaker is open: the call is refused, or it is the one that is tried. */
  #tryIt (call, now) {
    const { breaker } = this
    if (!breaker.mayAsk(now)) return this.#break(call, now)
    if (call.group !== null) this.enterGroup(call)
    breaker.ask(call, now)
    this.#wait(call, breaker.line)
  }

  /** The breaker has opened. Groups let those that wait for others into the line meanwhile. */
  #refuseAll (now) {
    for (const call of this.queue) {
      this.#stopWaiting(call)
      apart(() => this.#break(call, now))
    }
  }

  #break (call, now) {
    if (call.group !== null) this.breaker.refused(call.group.request, now)
    this.#turnAway(call, 'broken', breakerError(this, now), now)
  }

  /** The call has failed before. False: too many are made again, and it is refused. */
  #mayRepeat (call) {
    const { enforce, retryPercent, retryLeast } = this.limit
    this.seen.retries += 1
    const allowed = Math.max(retryLeast, (this.inFlight + this.waiting) * retryPercent / 100)
    if (enforce && retryPercent > 0 && this.retries >= allowed) {
      this.#turnAway(call, 'retries_refused', retryError(this, this.retries), call.began)
      return false
    }
    call.isRetry = true
    this.retries += 1
    return true
  }

  #isFull () {
    return this.waiting >= this.limit.queue
  }

  /** Whether one more may run; counts it against the rate. */
  hasRoom (now) {
    const { concurrency, rate } = this.limit
    if (concurrency > 0 && this.inFlight >= this.lease.amount(now)) return false
    if (rate === 0) return true
    if (now >= this.rate.until) this.bucket.end()
    if (this.bucket.take(now)) return true
    this.#lookAgainIn(this.bucket.waitMs())
    return false
  }

  /** Where nothing is held back, nothing waits for a grant either. */
  shadowRoom (now) {
    return this.lease.amount(now) || this.limit.concurrency
  }

  #lookAgainIn (ms) {
    if (this.bucketTimer !== null || !(ms < ABANDONED_MS)) return
    this.bucketTimer = outside(() => setTimeout(() => {
      this.bucketTimer = null
      this.drain(performance.now())
    }, Math.max(1, Math.ceil(ms))).unref())
  }

  enterGroup (call) {
    call.inGroup = true
    call.group.inFlight += 1
  }

  endInGroup (call, hasFailed) {
    if (hasFailed || call.isRetry) call.group.remember(call, hasFailed)
    this.leaveGroup(call)
  }

  /** The calls of the same request that waited for this one go into the line of all. */
  leaveGroup (call) {
    const { group } = call
    if (call.inGroup) group.inFlight -= 1
    call.inGroup = false
    if (call.isRetry) this.retries -= 1
    call.isRetry = false
    if (group.waiting !== null && group.waiting.size > 0) this.#letIn(group)
    const calls = group.leave(this)
    if (calls > 0) this.seen.fannedOut(calls)
  }

  #letIn (group) {
    for (const next of group.waiting) {
      if (!group.hasRoom(this.limit)) break
      this.enterGroup(next)
      this.#standIn(next, this.queue)
    }
    if (this.breaker !== null && this.breaker.isOpen) this.#refuseAll(performance.now())
  }

  #intoLine (line) {
    for (const call of line) this.#standIn(call, this.queue)
  }

  #standIn (call, line) {
    call.line.delete(call)
    call.line = line
    line.add(call)
  }

  unlink (call) {
    if (call.older === null) this.oldest = call.newer
    else call.older.newer = call.newer
    if (call.newer === null) this.newest = call.older
    else call.newer.older = call.older
    call.older = call.newer = null
  }

  #lookForAbandoned (now) {
    for (let call = this.oldest; call !== null && now - call.began > ABANDONED_MS;) {
      const next = call.newer
      if (now - call.idleSince() > ABANDONED_MS) {
        this.seen.abandoned += 1
        this.end(call, now, 200)
      }
      call = next
    }
  }

  /** From now on it is told how long calls take. */
  #sample () {
    const { Samples } = require('./samples.js')
    this.samples = new Samples()
  }

  #leaseOf (budget) {
    return new Lease((serial, wants, held, stamp) => this.say.ask(this.number, budget, serial, wants, held, stamp))
  }

  #askSoon () {
    if (this.asksSoon) return
    if (!this.lease.isMore(this.inFlight + this.queue.size) && !this.rate?.isMore(this.#wantedRate())) return
    this.asksSoon = true
    nextTick(() => {
      this.asksSoon = false
      this.#ask(performance.now())
    })
  }

  #ask (now) {
    const current = this.inFlight + this.queue.size
    // Where it is only observed, what is in flight has nothing to do with what is lent.
    this.lease.ask(Math.max(this.peak, current), this.limit.enforce || this.hold ? this.inFlight : 0, now)
    // A rate is not given back by ending a call: what is lent is all that is held.
    this.rate?.ask(this.#wantedRate(), 0, now)
  }

  /** Calls per second. */
  #wantedRate () {
    return Math.min(this.limit.rate, this.begun * TICKS_PER_SECOND + this.queue.size)
  }
}

module.exports = { Origin, TICKS_PER_SECOND }
