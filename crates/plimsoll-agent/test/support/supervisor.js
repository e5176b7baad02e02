'use strict'
// A supervisor for tests: the private directory, the channel, and answers as the test wants them.
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const wire = require('../../js/wire.js')
const { notice } = require('./notice.js')
const { Page } = require('./page.js')
const { Queue } = require('./queue.js')

const {
  HELLO, LISTEN, CLOSE, PROFILE_BEGAN, PROFILED, LARGE_BODY, ROUTE, ALLOCATED, BOUND, REFUSED, ORIGIN, ASK, CALLS, FAN_OUT, FORKS, SAMPLES,
  OUTCOMES, PROBE, PROBED, BROKEN, METRICS_PART, METRICS_END, READ_METRICS, WATCH_CALLS, POOL, POOL_FIGURES, POOL_LEAK, POOL_GONE,
  POOL_ASK, WATCH_POOLS, TAX_AUTHOR, TAX_RATE, SPAN, WATCH_SPANS
} = wire.kinds

/** `answer(listen)` gives `{ address, port, family }`, `{ code }`, or null: the test answers by itself. */
class Supervisor {
  constructor (answer = bindAsAsked) {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'plim-'))
    this.page = new Page(path.join(this.directory, wire.PAGE_FILE))
    this.hellos = new Queue()
    this.listens = new Queue()
    this.closes = new Queue()
    this.profiles = new Queue()
    /** What is said of answers. */
    this.answers = new Queue()
    /** What the watchdog says. */
    this.notices = new Queue()
    /** What is said of the app's calls. */
    this.origins = new Queue()
    this.asks = new Queue()
    this.figures = new Queue()
    this.fanOuts = new Queue()
    this.samples = new Queue()
    this.forks = new Queue()
    /** What is said for breakers. */
    this.outcomes = new Queue()
    this.probes = new Queue()
    this.broken = new Queue()
    /** Calls are to be seen; `hold`: the first waits. */
    this.watch = null
    /** What is said of the app's pools. */
    this.pools = new Queue()
    this.poolAsks = new Queue()
    this.poolFigures = new Queue()
    this.leaks = new Queue()
    this.gone = new Queue()
    /** What is said of async context. */
    this.authors = new Queue()
    this.weights = new Queue()
    this.rates = new Queue()
    /** Pools are to be seen; `hold`: they wait for their rule. */
    this.watchPools = null
    /** What traced requests waited for. */
    this.spans = new Queue()
    /** Spans are wanted: `{ propagates, toldFromMs }`. */
    this.watchSpans = null
    /** Answers to questions about metrics: `{ id, lines, leftOut }`. */
    this.metrics = new Queue()
    this.metricsLines = ''
    this.sockets = new Set()
    this.answer = answer
  }

  async start () {
    this.server = net.createServer((socket) => this.#accept(socket))
    await new Promise((resolve) => this.server.listen(path.join(this.directory, wire.CHANNEL_SOCKET), resolve))
    return this
  }

  #accept (socket) {
    this.sockets.add(socket)
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      for (let frame; (frame = wire.read(received)) !== null;) {
        received = received.subarray(frame.used)
        this.#hear(socket, frame)
      }
    })
  }

  #hear (socket, { kind, fields }) {
    if (kind === HELLO && this.watch !== null) socket.write(wire.frame(WATCH_CALLS, [this.watch.hold ? 1 : 0]))
    if (kind === HELLO && this.watchPools !== null) socket.write(wire.frame(WATCH_POOLS, [this.watchPools.hold ? 1 : 0]))
    if (kind === ALLOCATED) this.weights.push({ method: fields[0], path: fields[1], bytes: Number(fields[2]) })
    if (kind === HELLO && this.watchSpans !== null) {
      socket.write(wire.frame(WATCH_SPANS, [this.watchSpans.propagates ? 1 : 0, this.watchSpans.toldFromMs]))
    }
    if (kind === SPAN) {
      const [what, request, id, to, method, path, startUs, tookUs, waitedUs, status, error] = fields
      this.spans.push({ what, request, id, to, method, path, startUs: Number(startUs), tookUs: Number(tookUs), waitedUs: Number(waitedUs), status: Number(status), error })
    }
    if (kind === POOL) this.pools.push({ pool: Number(fields[0]), library: fields[1], server: fields[2], database: fields[3], max: Number(fields[4]), isSizeable: fields[5] === '1', isShared: fields[6] === '1' })
    if (kind === TAX_AUTHOR) this.authors.push({ what: fields[0], callbacks: Number(fields[1]), stack: fields[2] })
    if (kind === TAX_RATE) {
      const [isOn, callbacks, hasFrame, resources, activeUs] = fields.map(Number)
      this.rates.push({ isOn: isOn === 1, callbacks, hasFrame: hasFrame === 1, resources, activeUs })
    }
    if (kind === POOL_ASK) {
      const [pool, serial, wants, held, stamp] = fields.map(Number)
      this.poolAsks.push({ pool, serial, wants, held, stamp })
    }
    if (kind === POOL_FIGURES) {
      const [open, idle, waiting, oldest, max, leaked, asked, got, gaveUp, refused, opened, errors] = fields[1].split(' ').map(Number)
      this.poolFigures.push({ pool: Number(fields[0]), open, idle, waiting, oldest, max, leaked, asked, got, gaveUp, refused, opened, errors, numbers: fields[1].split(' ').map(Number) })
    }
    if (kind === POOL_LEAK) this.leaks.push({ pool: Number(fields[0]), heldMs: Number(fields[1]), taker: fields[2] })
    if (kind === POOL_GONE) this.gone.push(Number(fields[0]))
    if (kind === ORIGIN) this.origins.push({ origin: Number(fields[0]), name: fields[1] })
    if (kind === ASK) {
      const [serial, wants, held, stamp] = fields.slice(2).map(Number)
      this.asks.push({ origin: Number(fields[0]), budget: fields[1], serial, wants, held, stamp })
    }
    if (kind === CALLS) {
      const numbers = fields[1].split(' ').map(Number)
      this.figures.push({ origin: Number(fields[0]), ...Object.fromEntries(wire.CALLS.FIGURES.map((name, at) => [name, numbers[at]])) })
    }
    if (kind === OUTCOMES) {
      const [, calls, failed, gateway, run, gatewayRun, okAgoMs] = fields.map(Number)
      this.outcomes.push({ calls, failed, gateway, run, gatewayRun, okAgoMs })
    }
    if (kind === PROBE) this.probes.push('asked')
    if (kind === PROBED) this.probes.push(fields[1])
    if (kind === BROKEN) {
      const [origin, slot, word] = fields.map(Number)
      this.broken.push({ origin, slot, word })
    }
    if (kind === FORKS) this.forks.push(true)
    if (kind === SAMPLES) {
      this.samples.push({ peak: Number(fields[1]), tookUs: fields[2].split(' ').filter(Boolean).map(Number) })
    }
    if (kind === FAN_OUT) {
      const [origin, slot, word, calls] = fields.map(Number)
      this.fanOuts.push({ origin, slot, word, calls })
    }
    if (kind === HELLO) this.hellos.push({ version: Number(fields[0]), pid: Number(fields[1]), node: fields[2], addon: fields[3] })
    if (kind === CLOSE) this.closes.push(Number(fields[0]))
    if (kind === PROFILE_BEGAN) this.profiles.push({ began: Number(fields[0]), heapBytes: Number(fields[1]) })
    if (kind === PROFILED) this.profiles.push({ over: Number(fields[0]), error: fields[1] })
    if (kind === METRICS_PART) this.metricsLines += fields[1]
    if (kind === METRICS_END) {
      const lines = this.metricsLines.split('\n').filter(Boolean).map((line) => [line[0], JSON.parse(line.slice(1))])
      this.metrics.push({ id: Number(fields[0]), lines, leftOut: Number(fields[1]) })
      this.metricsLines = ''
    }
    if (kind === LARGE_BODY) this.answers.push({ slot: Number(fields[0]), word: Number(fields[1]), bytes: Number(fields[2]) })
    if (kind === ROUTE) this.answers.push({ method: fields[0], path: fields[1], route: fields[2] })
    const said = notice({ kind, fields })
    if (said) this.notices.push(said)
    if (kind !== LISTEN) return
    const [server, serverKind, host, port, ipv6Only, backlog, at] = fields
    const listen = { server: Number(server), kind: serverKind, host, port: Number(port), ipv6Only: ipv6Only === '1', backlog: Number(backlog), path: at }
    listen.bound = ({ address, port, family }) => socket.write(wire.frame(BOUND, [listen.server, address, port, family]))
    listen.refused = (code) => socket.write(wire.frame(REFUSED, [listen.server, code]))
    const answer = this.answer(listen)
    if (answer?.code) listen.refused(answer.code)
    else if (answer) listen.bound(answer)
    this.listens.push(listen)
  }

  /** Sends an order to every agent. */
  order (kind, fields) {
    for (const socket of this.sockets) socket.write(wire.frame(kind, fields))
  }

  /** What the processes say of their metrics: one answer of each. */
  async readMetrics (id, { bytesMax = 1 << 20, app = true } = {}) {
    this.order(READ_METRICS, [id, bytesMax, app ? 1 : 0])
    for (;;) {
      const answer = await this.metrics.next()
      if (answer.id === id) return answer
    }
  }

  /** Dies, as far as the agent can see. */
  die () {
    this.server?.close()
    for (const socket of this.sockets) socket.destroy()
  }

  stop () {
    this.die()
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

function bindAsAsked ({ host, port }) {
  const address = host || '::'
  return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }
}

module.exports = { Supervisor, bindAsAsked }
