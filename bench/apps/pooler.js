'use strict'

// Takes connections for `cargo xtask bench pools`: `GET /run?acquires=N&by=query` takes N, sixteen callers at a time from a
// pool of eight of `pg`, and answers with the CPU time that this process took for each, in microseconds. The connections
// only pretend: what is measured is the pool, and what the agent adds to it. `by=connect` takes them with
// `pool.connect()` and gives them back, `by=query` with `pool.query()`.

const { EventEmitter } = require('node:events')
const http = require('node:http')
const { createRequire } = require('node:module')
const { Pool } = createRequire(process.env.SHOP)('pg')

const AT_ONCE = 16

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

const pool = new Pool({ Client, max: 8, idleTimeoutMillis: 0 })

const ways = {
  query: () => pool.query('select 1'),
  connect: async () => (await pool.connect()).release()
}

async function run (acquires, take) {
  const before = process.cpuUsage()
  const line = async () => { for (let made = 0; made < acquires / AT_ONCE; made++) await take() }
  await Promise.all(Array.from({ length: AT_ONCE }, line))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / acquires
}

http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://bench')
  const take = ways[searchParams.get('by')]
  if (!take) return response.end('')
  run(Number(searchParams.get('acquires')), take).then((us) => {
    const text = String(us)
    response.setHeader('content-length', text.length)
    response.end(text)
  }, (error) => response.writeHead(500).end(String(error)))
}).listen(Number(process.env.PORT), '127.0.0.1')
