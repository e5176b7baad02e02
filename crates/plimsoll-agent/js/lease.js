'use strict'
// The holder's side of a budget that is lent: what this process may use, and what it says of it. The lender's side, and
// why the sum can never be exceeded, is told in `lease/` of the crate plimsoll.

// A lease that is in use is asked for again when so much of it is over, and before the first in any case.
const RENEW = 1 / 4
const RENEW_LEAST_MS = 1000

// Plain fields: private ones cost time on Node 18 and 20.
class Lease {
  /** `send(serial, wants, held, stamp)` */
  constructor (send) {
    this.send = send
    this.serial = 0
    this.granted = 0
    /** The clock at the ask that the grant answers; the lease runs from there. */
    this.stamp = -1
    this.lengthMs = 0
    this.until = 0
    this.asked = { serial: -1, wants: -1, held: -1, at: -1 }
  }

  /** What may be used at this moment. */
  amount (now) {
    return now < this.until ? this.granted : 0
  }

  /** A grant has come. False where it was overtaken by a later one. */
  hear ({ serial, amount, stamp, lengthMs }) {
    if (stamp < this.stamp || (stamp === this.stamp && serial < this.serial)) return false
    this.serial = serial
    this.granted = amount
    this.stamp = stamp
    this.lengthMs = lengthMs
    this.until = stamp + lengthMs
    return true
  }

  /** Asks if there is something new to say. `inUse` is what is used now. */
  ask (wants, inUse, now) {
    const at = Math.floor(now)
    if (now >= this.until && this.serial !== 0) {
      // The lease is over, and with it the numbering of its grants.
      this.serial = 0
      this.granted = 0
    }
    const held = Math.max(this.granted, inUse)
    const { serial: seen, wants: wanted, held: had, at: before } = this.asked
    const isDue = wants > 0 && now >= before + Math.max(this.lengthMs * RENEW, RENEW_LEAST_MS)
    // Until it hears of its last grant by number, the lender counts what the ones before allowed.
    if (this.serial === seen && wants === wanted && held === had && !isDue) return
    this.asked = { serial: this.serial, wants, held, at }
    this.send(this.serial, wants, held, at)
  }

  /** Whether more than was asked for is wanted now: then there is no time to lose. */
  isMore (wants) {
    return wants > this.asked.wants
  }

  /** What was lent is more than may be used: each end is to be told. */
  isOver (inUse) {
    return inUse >= this.granted && this.asked.held > this.granted
  }
}

module.exports = { Lease }
