'use strict'
// postgres.js, which tells nobody of its connections. Its queries are seen: when each is asked for and answered, and on which
// connection. Queries on one connection are answered in order, so that one has begun when the one before it was answered. A
// transaction counts as its queries.
const { executionAsyncResource } = require('node:async_hooks')
const { performance } = require('./apart.js')
const { hidden } = require('./hidden.js')
const { patch } = require('./patch.js')
const { Wait, Waits } = require('./waits.js')

const kTracked = Symbol('plimsoll.tracked')

/** By the function that cancels queries: there is one for each `postgres()`. */
const known = new WeakMap()

/** What one call of `postgres()` has. */
class Connections {
  underWay = new Waits()
  /** When the latest query of each was answered. */
  answeredAt = new Map()
  most = 0
  about = null

  /** Those that are closed have no process in the database. */
  open () {
    let open = 0
    for (const backend of this.answeredAt.keys()) {
      if (backend.pid) open += 1
      else this.answeredAt.delete(backend)
    }
    this.most = Math.max(this.most, open)
    return open
  }
}

const adapter = {
  library: 'postgres',
  open: (connections) => connections.open(),
  idle: (connections) => Math.max(0, connections.open() - connections.underWay.size),
  waiting: (connections) => Math.max(0, connections.underWay.size - connections.open()),
  // What the app set is not to be seen. But queries share a connection only when no more of them may be opened.
  max: ({ most }) => most,
  isEnded: () => false,
  describe: ({ about }) => about,
  held () {},

  oldest (connections) {
    let turn = connections.underWay.first
    for (let begun = connections.open(); begun > 0 && turn !== null; begun--) turn = turn.after
    return turn?.at
  }
}

/** One query. */
class Turn extends Wait {
  constructor (pool, connections, at) {
    super(at)
    this.pool = pool
    this.connections = connections
  }

  answered (query) {
    const { pool, connections, at } = this
    connections.underWay.delete(this)
    const now = performance.now()
    const backend = query.state
    if (!backend) return pool.giveUp()
    const before = connections.answeredAt.get(backend)
    if (before === undefined) this.#opens(backend)
    connections.answeredAt.set(backend, now)
    const begun = before > at ? before : at
    pool.take(begun - at, Math.min(connections.underWay.size + 1, connections.answeredAt.size))
    pool.give(now - begun)
  }

  /** The first answer on a connection. */
  #opens (backend) {
    const { pool, connections } = this
    const socket = ownSocket()
    connections.about ??= whereTo(socket)
    // The library does not say when it closes one, and uses what stands for it again.
    socket?.once?.('close', () => {
      connections.answeredAt.delete(backend)
      pool.leaves()
    })
    pool.opens()
  }

  failed (query, error) {
    // What the database itself says is an answer.
    if (error?.name === 'PostgresError') return this.answered(query)
    this.connections.underWay.delete(this)
    if (/^CONNECT|^ECONN|^ENOTFOUND/.test(error?.code)) this.pool.fail()
    else this.pool.giveUp()
  }
}

/** A query is answered in a call of the socket that the answer came by. */
function ownSocket () {
  return hidden(executionAsyncResource(), 'owner_symbol')
}

function whereTo (socket) {
  const host = socket?.host ?? socket?.remoteAddress
  return host ? { server: `${host}:${socket.port ?? socket.remotePort ?? 5432}`, database: '' } : null
}

function install ({ Query }, of) {
  const prototype = Query?.prototype
  if (typeof prototype?.handle !== 'function' || prototype[kTracked]) return
  prototype[kTracked] = true
  patch(prototype, 'handle', (handle) => function () {
    // A cursor is answered again and again.
    if (!this.executed && this.canceller && !this.cursorRows) begins(this, of)
    return handle.call(this)
  })
}

function begins (query, of) {
  const { canceller, resolve, reject } = query
  let connections = known.get(canceller)
  if (connections === undefined) known.set(canceller, connections = new Connections())
  const pool = of(connections, adapter)
  if (pool === null) return
  const turn = new Turn(pool, connections, performance.now())
  pool.begin(false, turn.at)
  connections.underWay.add(turn)
  const waiting = connections.underWay.size - connections.answeredAt.size
  if (waiting > 0) pool.wait(waiting, connections.answeredAt.size)
  query.resolve = (result) => {
    turn.answered(query)
    resolve(result)
  }
  query.reject = (error) => {
    turn.failed(query, error)
    reject(error)
  }
}

module.exports = { install }
