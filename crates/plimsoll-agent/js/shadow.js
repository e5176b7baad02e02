'use strict'
// What a limit would do to calls that are not limited: the same calls, with the times that they really took, in a queue
// that is only computed. Nothing runs by a timer: what would have happened since the last look is made up for at the
// next call that begins or ends.

const NONE = 0
const WAITS = 1
const RUNS = 2

// Plain fields and methods: private ones cost time on Node 18 and 20.
class Shadow {
  constructor () {
    this.queued = 0
    this.waitedMs = 0
    this.refused = 0
    this.running = 0
    this.queue = new Set()
    /** Those in the queue: to ask a set for its size takes longer than all else here. */
    this.waiting = 0
    /** When those end that began late, in order. */
    this.ends = []
  }

  /** A call begins. `room` is how many may run at once, `limit` what holds for the origin. */
  begin (call, room, limit, now) {
    this.advance(now, room, limit)
    if (this.waiting === 0 && this.running < room) return this.run(call, 0)
    if (this.waiting >= limit.queue) {
      this.refused += 1
      return
    }
    call.shadow = WAITS
    call.shadowMs = now
    this.queue.add(call)
    this.waiting += 1
  }

  /** A call ends. */
  end (call, room, limit, now) {
    if (call.shadow === NONE) return
    this.advance(now, room, limit)
    if (call.shadow === WAITS) {
      // From now on it is known how long it takes.
      call.tookMs = now - call.shadowMs
      return
    }
    call.shadow = NONE
    if (call.shadowMs > 0) return this.endAt(now + call.shadowMs)
    this.running -= 1
    if (this.waiting > 0) this.drain(now, room, limit)
  }

  run (call, lateMs) {
    this.running += 1
    call.shadow = RUNS
    call.shadowMs = lateMs
  }

  /** Everything that would have ended by now. */
  advance (now, room, limit) {
    while (this.ends.length > 0 && this.ends[0] <= now) {
      this.running -= 1
      this.drain(this.ends.shift(), room, limit)
    }
    // The room may have grown.
    if (this.waiting > 0) this.drain(now, room, limit)
  }

  drain (at, room, limit) {
    for (const call of this.queue) {
      if (this.running >= room) return
      this.queue.delete(call)
      this.waiting -= 1
      const waitedMs = at - call.shadowMs
      if (waitedMs > limit.queueTimeoutMs) {
        call.shadow = NONE
        this.refused += 1
        continue
      }
      this.queued += 1
      this.waitedMs += waitedMs
      const { tookMs } = call
      this.run(call, waitedMs)
      if (tookMs >= 0) {
        call.shadow = NONE
        this.endAt(at + tookMs)
      }
    }
  }

  endAt (time) {
    let index = this.ends.length
    while (index > 0 && this.ends[index - 1] > time) index--
    this.ends.splice(index, 0, time)
  }
}

module.exports = { Shadow }
