'use strict'
// A service that an app calls: it answers when it is told to, and knows how many it had to answer at once.
const http = require('node:http')
const { Queue } = require('./queue.js')

class Downstream {
  /** What waits for its answer, oldest first. */
  open = []
  peak = 0
  total = 0
  arrived = new Queue()

  async start (t) {
    this.server = http.createServer((request, response) => {
      const one = { request, response, at: performance.now() }
      this.open.push(one)
      this.total += 1
      this.peak = Math.max(this.peak, this.open.length)
      response.on('close', () => this.#drop(one))
      this.arrived.push(request.url)
    })
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.server.address().port}`
    t.after(() => { this.server.closeAllConnections?.(); this.server.close() })
    return this
  }

  /** Answers the oldest. */
  answer (text = 'ok', status = 200) {
    const one = this.open[0]
    this.#drop(one)
    one.response.writeHead(status).end(text)
  }

  #drop (one) {
    const index = this.open.indexOf(one)
    if (index !== -1) this.open.splice(index, 1)
  }
}

/** A service, stopped with the test. */
function downstream (t) {
  return new Downstream().start(t)
}

module.exports = { downstream }
