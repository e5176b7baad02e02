'use strict'
// Who waits, in order. A linked list, as a Set makes garbage of each who comes and goes.

class Waits {
  constructor () {
    this.size = 0
    this.first = null
    this.last = null
  }

  add (wait) {
    this.size += 1
    wait.before = this.last
    if (this.last === null) this.first = wait
    else this.last.after = wait
    this.last = wait
    wait.waits = this
  }

  /** False: it did not wait any more. */
  delete (wait) {
    if (wait.waits !== this) return false
    this.size -= 1
    const { before, after } = wait
    if (before === null) this.first = after
    else before.after = after
    if (after === null) this.last = before
    else after.before = before
    wait.waits = wait.before = wait.after = null
    return true
  }

  clear () {
    while (this.first !== null) this.delete(this.first)
  }
}

/** One who waits, since then. */
class Wait {
  constructor (at) {
    this.at = at
    this.waits = null
    this.before = null
    this.after = null
  }
}

module.exports = { Wait, Waits }
