'use strict'

// Takes connections, or sends commands, for `cargo xtask bench pools`: `GET /run?acquires=N&by=query` does so N times, sixteen
// callers at a time, and answers with the CPU time that this process took for each, in microseconds. The servers only
// pretend, and are in this process: what is measured is the library, and what the agent adds to it.

const { EventEmitter } = require('node:events')
const http = require('node:http')
const { createRequire } = require('node:module')
const net = require('node:net')
const path = require('node:path')
const { Duplex } = require('node:stream')

const AT_ONCE = 16
const SIZE = 8
const shop = createRequire(process.env.SHOP)
const others = createRequire(path.join(__dirname, '..', '..', 'crates', 'plimsoll-agent', 'test', 'package.json'))

/** A socket to nowhere: what is written is answered by `answer(bytes)` in the next turn. */
class Socket extends Duplex {
  constructor (answer) {
    super()
    this.answer = answer
    setImmediate(() => this.emit('connect'))
  }

  _read () {}
  _write (bytes, encoding, done) {
    done()
    setImmediate(() => this.push(this.answer(bytes)))
  }

  connect () { return this }
  setKeepAlive () { return this }
  setNoDelay () { return this }
  setTimeout () { return this }
  ref () { return this }
  unref () { return this }
}

/** As many times `+OK` as there are commands. */
function redis (bytes) {
  let commands = 0
  for (let at = bytes.indexOf('*'); at >= 0; at = bytes.indexOf('*', at + 1)) commands += 1
  return Buffer.from('+OK\r\n'.repeat(commands))
}

class Client extends EventEmitter {
  host = 'none'
  port = 5432
  database = 'none'
  _queryable = true
  connect (done) { setImmediate(done) }
  end (done) { setImmediate(() => { this.emit('end'); done?.() }) }
  ref () {}
  unref () {}
  query (text, values, done) { queueMicrotask(() => done(null, undefined)) }
}

function pgPool () {
  const { Pool } = shop('pg')
  return new Pool({ Client, max: SIZE, idleTimeoutMillis: 0 })
}

function tarnPool () {
  const { Pool } = others('tarn')
  return new Pool({ create: async () => ({}), destroy: async () => {}, min: 0, max: SIZE })
}

function ioredis () {
  const Redis = others('ioredis')
  class Connector {
    check () { return true }
    disconnect () {}
    async connect () { return new Socket(redis) }
  }
  return new Redis({ Connector, enableReadyCheck: false })
}

async function nodeRedis () {
  const { createClient } = others('redis')
  const { createConnection } = net
  net.createConnection = () => new Socket(redis)
  const client = createClient({ RESP: 2, disableClientInfo: true })
  await client.connect()
  net.createConnection = createConnection
  return client
}

/** Its pool alone: a query of `mongodb` costs a hundred times as much. */
async function mongoPool () {
  const { ConnectionPool } = others('mongodb/lib/cmap/connection_pool.js')
  const server = { topology: { client: {} }, description: {}, handleError () {} }
  const pool = new ConnectionPool(server, { maxPoolSize: SIZE, hostAddress: { toString: () => 'none:27017' } })
  pool.on('error', () => {})
  pool.poolState = 'ready'
  const connection = (id) => ({ id, generation: 0, closed: false, idleTime: 0, markAvailable () {}, destroy () {} })
  for (let id = 1; id <= SIZE; id++) pool.connections.push(connection(id))
  const timeoutContext = { connectionCheckoutTimeout: null, clearConnectionCheckoutTimeout: true, csotEnabled: () => false }
  return { pool, options: { timeoutContext } }
}

/** Each is made when it is asked for first, and gives what is to be measured. */
const ways = {
  async query () {
    const pool = pgPool()
    return () => pool.query('select 1')
  },
  async connect () {
    const pool = pgPool()
    return async () => (await pool.connect()).release()
  },
  async tarn () {
    const pool = tarnPool()
    return async () => pool.release(await pool.acquire().promise)
  },
  async mongodb () {
    const { pool, options } = await mongoPool()
    return async () => pool.checkIn(await pool.checkOut(options))
  },
  async ioredis () {
    const client = ioredis()
    return () => client.set('key', 'value')
  },
  async redis () {
    const client = await nodeRedis()
    return () => client.set('key', 'value')
  }
}
const made = new Map()

async function run (acquires, by) {
  if (!made.has(by)) made.set(by, await ways[by]())
  const take = made.get(by)
  const before = process.cpuUsage()
  const line = async () => { for (let done = 0; done < acquires / AT_ONCE; done++) await take() }
  await Promise.all(Array.from({ length: AT_ONCE }, line))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / acquires
}

http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://bench')
  const by = searchParams.get('by')
  if (!Object.hasOwn(ways, by ?? '')) return response.end('')
  run(Number(searchParams.get('acquires')), by).then((us) => {
    const text = String(us)
    response.setHeader('content-length', text.length)
    response.end(text)
  }, (error) => response.writeHead(500).end(String(error.stack)))
}).listen(Number(process.env.PORT), '127.0.0.1')
