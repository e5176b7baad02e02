'use strict'
// What happened, in order, for a test to wait for. No timer: the test runner's own limit ends a wait in vain.

class Queue {
  #items = []
  #waiters = []
  #ended = null

  push (item) {
    const waiter = this.#waiters.shift()
    if (waiter) waiter.resolve(item)
    else this.#items.push(item)
  }

  end (reason) {
    this.#ended = reason
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason)
  }

  next () {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift())
    if (this.#ended) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  get length () {
    return this.#items.length
  }
}

module.exports = { Queue }
