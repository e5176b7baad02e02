'use strict'
// The channel to the supervisor: one Unix socket per process, opened when the first server listens. It never
// keeps the app alive.
const net = require('node:net')
const path = require('node:path')
const answers = require('./answers.js')
const { apart } = require('./apart.js')
const churn = require('./churn.js')
const { take } = require('./directory.js')
const downstream = require('./downstream.js')
const page = require('./page.js')
const pools = require('./pools.js')
const spans = require('./spans.js')
const tax = require('./tax.js')
const watchdog = require('./watchdog.js')
const wire = require('./wire.js')

// sun_path of sockaddr_un, less its final NUL. Old versions of libuv cut a longer path without a word.
const PATH_MAX = 107

let current

/**
 * The process's channel; null where the directory belongs to another process or the supervisor is gone.
 * `unclaimed` says why requests cannot be claimed where they run, if that is not in this process.
 */
function open (directory, unclaimed = '') {
  if (current === undefined) current = take(directory) ? new Channel(directory, unclaimed) : null
  return current
}

class Channel {
  #directory
  #socket
  #received = Buffer.alloc(0)
  #servers = 0
  #answered = false
  /** Number of a server → who waits for the answer to its `Listen`. */
  #waiting = new Map()
  /** Servers of which the supervisor must hear when they close. */
  #announced = new Set()

  constructor (directory, unclaimed) {
    this.#directory = directory
    this.#socket = net.connect(path.join(directory, wire.CHANNEL_SOCKET))
    this.#socket.unref()
    this.#socket.on('data', (bytes) => this.#read(bytes))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.#lost())
    this.#socket.write(wire.hello(page.open(directory).reason || unclaimed))
    watchdog.start(directory)
    answers.watch((bytes) => this.#say(bytes))
    tax.watch((bytes) => this.#say(bytes))
    churn.watch((bytes) => this.#say(bytes))
  }

  #say (bytes) {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** A path that no server of this process has listened on; null where it would be too long for a socket. */
  path () {
    this.#servers += 1
    const fresh = path.join(this.#directory, `${this.#servers}.s`)
    return Buffer.byteLength(fresh) > PATH_MAX ? null : fresh
  }

  /** Announces a server. `waiting` has `bound(address)`, `refused(code)` and `unreachable()`; one is called. */
  listen (waiting, request, path) {
    const server = this.#servers
    this.#waiting.set(server, waiting)
    this.#announced.add(server)
    this.#socket.write(wire.listen(server, request, path))
    if (request.shared) this.#socket.write(wire.forks())
    return server
  }

  close (server) {
    this.#waiting.delete(server)
    if (this.#announced.delete(server) && this.#socket.writable) this.#socket.write(wire.close(server))
  }

  #read (bytes) {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    try {
      for (let frame; (frame = wire.read(this.#received)) !== null;) {
        this.#received = this.#received.subarray(frame.used)
        this.#answer(wire.message(frame))
      }
    } catch {
      this.#socket.destroy()
    }
  }

  #answer (message) {
    if (message?.order) return this.#obey(message)
    if (message?.watch) return downstream.watch((bytes) => this.#say(bytes), message.hold)
    if (message?.watchPools) return pools.watch((bytes) => this.#say(bytes), message.hold)
    if (message?.spans) return spans.watch((bytes) => this.#say(bytes), message.spans)
    if (message?.pool !== undefined) return hear(pools, message)
    if (message?.readMetrics) return this.#readMetrics(message)
    if (message?.limit || message?.grant || message?.breaker) return hear(downstream, message)
    const waiting = message && this.#waiting.get(message.server)
    if (!waiting) return
    this.#waiting.delete(message.server)
    if (message.bound) {
      this.#answered = true
      waiting.bound(message.bound)
    } else {
      this.#announced.delete(message.server)
      waiting.refused(message.refused)
    }
  }

  // Loaded when it is asked for, as what follows.
  #readMetrics (question) {
    try {
      require('./metrics.js').read(question, (bytes) => this.#say(bytes))
    } catch {
      this.#say(wire.metricsEnd(question.id, 0))
    }
  }

  // Most processes are never profiled.
  #obey (order) {
    try {
      require('./profile.js').obey(order, (bytes) => this.#say(bytes))
    } catch (error) {
      this.#say(wire.profiled(order.id, String(error.message)))
    }
  }

  // Before the first Bound nobody knows of this process: the app goes on by itself. After it the gateway holds
  // the app's ports, and with the supervisor they are gone: a worker that nobody can reach must end. It is asked
  // to, so that it can still finish what it does.
  #lost () {
    current = null
    downstream.lost()
    pools.lost()
    spans.lost()
    tax.watch(null)
    churn.watch(null)
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    if (this.#answered) process.kill(process.pid, 'SIGTERM')
    else for (const one of waiting) one.unreachable()
  }
}

/** What has waited may begin in it, by code of the app: what that throws is no broken channel. */
function hear (concern, message) {
  apart(() => concern.hear(message))
}

module.exports = { open }
