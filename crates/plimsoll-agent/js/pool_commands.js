'use strict'
// What clients have in common that send any number of commands over one connection, as those of Redis do. All clients of a
// process that lead to the same place are seen as one pool: its connections are theirs, one is in use while a command on it is
// not answered, and a command waits only where there is no connection to write it to.
const { performance } = require('./apart.js')

const kClient = Symbol('plimsoll.client')

/** Their time is that of the server's patience, and of other people's work: they say nothing of how it is. */
const BLOCKING = /^(?:b[lrz]\w+|xread(?:group)?|wait(?:aof)?|p?s?(?:un)?subscribe|punsubscribe|monitor)$/i

/** Clients of one library that lead to one place. */
class Line {
  clients = new Set()

  constructor (about) {
    this.about = about
  }
}

/** One client of the app, and so one connection. */
class Client {
  line = null
  /** Commands that are not answered. */
  underWay = 0
  /** Since when the connection has been there, and since when commands have waited for it; 0: none do. */
  readyAt = 0
  waitsSince = 0
}

/** One that is not answered. */
class Command {
  constructor (pool, client, at) {
    this.pool = pool
    this.client = client
    this.at = at
    this.isOver = false
  }

  answered () {
    if (!this.ends()) return
    const { pool, client, at } = this
    const now = performance.now()
    const begun = client.readyAt > at ? client.readyAt : at
    pool.take(begun - at, 1)
    pool.give(now - begun)
  }

  failed (error) {
    if (isAnswer(error)) return this.answered()
    if (!this.ends()) return
    const { pool, client } = this
    if (client.underWay === 0) client.waitsSince = 0
    pool.giveUp()
  }

  /** A cluster has it answered again by another node, where the first one sent it on. False: it has been counted. */
  ends () {
    if (this.isOver) return false
    this.isOver = true
    this.client.underWay -= 1
    return true
  }
}

/**
 * `describe(client)`; `isReady(client)`: what is sent now is written at once; `writes`: the event of a client from which on it
 * writes what has waited. `of`: what is kept of a pool.
 */
class Lines {
  #known = new Map()

  constructor (library, { describe, isReady, writes }, of) {
    this.writes = writes
    this.describe = describe
    this.isReady = isReady
    this.of = of
    this.adapter = {
      library,
      isShared: true,
      open: ({ clients }) => clients.size,
      idle: ({ clients }) => count(clients, ({ underWay }) => underWay === 0),
      waiting: ({ clients }) => sum(clients, ({ waitsSince, underWay }) => waitsSince > 0 ? underWay : 0),
      oldest: ({ clients }) => least(clients, ({ waitsSince }) => waitsSince || Infinity),
      max: () => 0,
      isEnded: ({ clients }) => clients.size === 0,
      describe: ({ about }) => about,
      held () {}
    }
  }

  /** A client is about to send a command. Null: it is not looked at. */
  begin (target, name) {
    if (BLOCKING.test(name)) return null
    const client = target[kClient] ?? this.#meet(target)
    if (client.line === null) this.#join(target, client)
    const pool = this.of(client.line, this.adapter)
    if (pool === null) return null
    const at = performance.now()
    pool.begin(false, at)
    client.underWay += 1
    if (!this.isReady(target)) {
      if (client.waitsSince === 0) client.waitsSince = at
      pool.wait(client.underWay, 0)
    }
    return new Command(pool, client, at)
  }

  #meet (target) {
    const client = new Client()
    Object.defineProperty(target, kClient, { value: client })
    target.on(this.writes, () => {
      client.readyAt = performance.now()
      client.waitsSince = 0
      if (client.line !== null) this.of(client.line, this.adapter)?.opens()
    })
    // What was sent in between waits no longer than until here.
    target.on('ready', () => { client.waitsSince = 0 })
    target.on('reconnecting', () => {
      if (client.underWay > 0 && client.waitsSince === 0) client.waitsSince = performance.now()
      if (client.line !== null) this.of(client.line, this.adapter)?.fail()
    })
    target.on('end', () => {
      if (client.line === null) return
      this.of(client.line, this.adapter)?.leaves()
      client.line.clients.delete(client)
      client.line = null
    })
    return client
  }

  #join (target, client) {
    const about = this.describe(target)
    const name = `${about.server}/${about.database}`
    let line = this.#known.get(name)?.deref()
    // One that all have left is over.
    if (line === undefined || line.clients.size === 0) this.#known.set(name, new WeakRef(line = new Line(about)))
    line.clients.add(client)
    client.line = line
  }
}

/** What the server itself says, and not what became of the connection. */
function isAnswer (error) {
  return error?.name === 'ReplyError' || ['ErrorReply', 'SimpleError', 'BlobError'].includes(error?.constructor?.name)
}

function count (all, fits) {
  return sum(all, (one) => fits(one) ? 1 : 0)
}

function sum (all, of) {
  let result = 0
  for (const one of all) result += of(one)
  return result
}

function least (all, of) {
  let result = Infinity
  for (const one of all) result = Math.min(result, of(one))
  return result
}

module.exports = { Lines }
