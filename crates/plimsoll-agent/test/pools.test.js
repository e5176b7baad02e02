'use strict'
// The pools in which an app keeps its connections: seen, and re-sized to what the supervisor lends. No database is
// needed: each library is given connections that only pretend.
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { describe, test } = require('node:test')
const wire = require('../js/wire.js')
const { App, supervisor } = require('./support/index.js')

const { POOL_RULE, POOL_GRANT } = wire.kinds
const LONG_MS = 60_000

const MODULES = JSON.stringify(path.join(__dirname, 'node_modules'))

/** Modules where an older version is found by its own name, by which it is known. */
const OLDER = fs.mkdtempSync(path.join(os.tmpdir(), 'plim-older-'))
fs.cpSync(path.join(__dirname, 'node_modules', 'tarn-3.0'), path.join(OLDER, 'tarn'), { recursive: true })
process.on('exit', () => fs.rmSync(OLDER, { recursive: true, force: true }))

/** What all apps have: `take()` gets a connection, `give(connection)` gives one back; `open` connections there are. */
const PG = `
  const { EventEmitter } = require('events')
  let open = 0, peak = 0
  class Client extends EventEmitter {
    host = 'db'; port = 5432; database = 'shop'; _queryable = true
    connect (done) { open += 1; peak = Math.max(peak, open); setImmediate(done) }
    end (done) { this._ending = true; setImmediate(() => { open -= 1; this._ended = true; this.emit('end'); done?.() }) }
    ref () {} unref () {}
    query (text, values, done) { setImmediate(done, null, { rows: [] }) }
  }
  const { Pool } = require('pg')
  const pool = new Pool({ Client, max: 4, idleTimeoutMillis: 0 })
  const take = () => pool.connect()
  const give = (client) => client.release()
  const size = () => pool.options.max
`
const TARN = `
  const { Pool } = require('tarn')
  let open = 0, peak = 0
  const pool = new Pool({
    min: 0, max: 4,
    create: async () => { open += 1; peak = Math.max(peak, open); return { host: 'db', port: 5432, database: 'shop', connectionParameters: {} } },
    destroy: async () => { open -= 1 }
  })
  const take = () => pool.acquire().promise
  const give = (one) => pool.release(one)
  const size = () => pool.max
`
const OLD_TARN = `
  module.paths.unshift(${JSON.stringify(OLDER)})
  ${TARN}`
const FACTORY = `{
    create: async () => { open += 1; peak = Math.max(peak, open); return { host: 'db', port: 5432, database: 'shop', connectionParameters: {} } },
    destroy: async () => { open -= 1 },
    validate: () => true, min: 0, max: 4
  }`
const GENERIC = `
  let open = 0, peak = 0
  const { createPool } = require('generic-pool')
  const pool = createPool(${FACTORY}, { min: 0, max: 4 })
  const take = () => pool.acquire()
  const give = (one) => pool.release(one)
  const size = () => pool.max
`
const SEQUELIZE = `
  let open = 0, peak = 0
  const { Pool } = require('sequelize-pool')
  const pool = new Pool(${FACTORY})
  const take = () => pool.acquire()
  const give = (one) => pool.release(one)
  const size = () => pool.maxSize
`
const MYSQL = `
  const mysql = require('mysql2')
  let open = 0, peak = 0, pool
  const database = mysql.createServer()
  database.on('connection', (connection) => {
    open += 1
    peak = Math.max(peak, open)
    connection.on('error', () => {})
    connection.stream.on('close', () => { open -= 1 })
    connection.serverHandshake({ protocolVersion: 10, serverVersion: 'test', connectionId: 1, statusFlags: 2, characterSet: 8, capabilityFlags: 0xffffff ^ 0x800 })
    connection.on('quit', () => connection.stream.end())
  })
  const ready = new Promise((resolve) => database.listen(0, '127.0.0.1', () => {
    pool = mysql.createPool({ host: '127.0.0.1', port: database._server.address().port, user: 'u', database: 'shop', connectionLimit: 4 })
    resolve()
  }))
  const take = () => pool.promise().getConnection().then(({ connection }) => connection)
  const give = (one) => one.release()
  const size = () => pool.config.connectionLimit
`
/** Where somebody subscribes, the pool puts a function of its own around each callback. */
const TRACED = `
  require('node:diagnostics_channel').tracingChannel?.('mysql2:pool:connect').subscribe({ start () {}, end () {}, asyncStart () {}, asyncEnd () {}, error () {} })
  ${MYSQL}`
const LIBRARIES = {
  pg: [PG, 'pg', 'db:5432'],
  tarn: [TARN, 'tarn/pg', 'db:5432'],
  'tarn 3.0': [OLD_TARN, 'tarn/pg', 'db:5432'],
  'generic-pool': [GENERIC, 'generic-pool/pg', 'db:5432'],
  'sequelize-pool': [SEQUELIZE, 'sequelize/pg', 'db:5432'],
  mysql2: [MYSQL, 'mysql2', null],
  'mysql2, traced': [TRACED, 'mysql2', null]
}

/** An app whose letters on standard input do: t takes, g gives the oldest back, s says how things are. */
async function start (t, source, { hold = false, more = '', late = false } = {}) {
  const plimsoll = await supervisor(t)
  plimsoll.watchPools = { hold }
  const body = `${source}
    const held = []
    const failed = []
    const letters = {
      t: () => take().then((one) => held.push(one), (error) => failed.push({ message: error.message, code: error.code })),
      g: () => { if (held.length > 0) give(held.shift()) },
      s: () => say({ held: held.length, open, peak, size: size(), failed })
    }
    ${more}
    const run = (text) => { for (const letter of String(text)) letters[letter]?.() }`
  const app = new App(t, plimsoll, `
    module.paths.push(${MODULES})
    const main = async () => {
      ${late ? '' : body}
      ${late ? '' : "await (typeof ready === 'undefined' ? null : ready)"}
      const server = globalThis.server = http.createServer().listen(3000, () => say('up'))
      ${late ? "await new Promise((resolve) => process.stdin.once('data', resolve))" : ''}
      ${late ? body : ''}
      ${late ? "await (typeof ready === 'undefined' ? null : ready); say('late')" : ''}
      process.stdin.on('data', run)
    }
    main()
  `)
  assert.strictEqual(await app.next(), 'up')
  if (late) {
    await hasListened(plimsoll)
    app.poke()
    assert.strictEqual(await app.next(), 'late')
  }
  const rule = ({ enforce = 1, mayGrow = 0, leakAfterMs = LONG_MS, waitTimeoutMs = 0 } = {}) =>
    plimsoll.order(POOL_RULE, [0, enforce, mayGrow, 0, leakAfterMs, waitTimeoutMs])
  let serial = 0
  const grant = (amount) => plimsoll.order(POOL_GRANT, [0, ++serial, amount, 2 ** 40, LONG_MS])
  /** Asks how things are until it fits. */
  const state = async (fits) => {
    for (;;) {
      app.poke('s')
      const one = await app.next()
      if (fits(one)) return one
    }
  }
  return { plimsoll, app, rule, grant, state }
}

/** By then the agent has heard what was said before the answer to `listen`. */
async function hasListened (plimsoll) {
  await plimsoll.listens.next()
}

async function next (queue, fits) {
  for (;;) {
    const one = await queue.next()
    if (fits(one)) return one
  }
}

// Each waits for reports, which come once a second.
describe('libraries', { concurrency: 5 }, () => {
  for (const [library, [source, name, server]] of Object.entries(LIBRARIES)) {
    test(`${library}: it is counted who waits, who got one, and what is open`, async (t) => {
      const { plimsoll, app, state } = await start(t, source)
      app.poke('tttttt')
      await state(({ held }) => held === 4)
      const about = await plimsoll.pools.next()
      assert.deepStrictEqual([about.library, about.database, about.max, about.isSizeable], [name, 'shop', 4, true])
      if (server !== null) assert.strictEqual(about.server, server)
      const full = await next(plimsoll.poolFigures, ({ got }) => got === 4)
      assert.deepStrictEqual([full.open, full.idle, full.waiting, full.max, full.asked, full.opened], [4, 0, 2, 4, 6, 4])
      assert.ok(full.oldest > 0)
      app.poke('gggg')
      await state(({ held }) => held === 2)
      app.poke('gg')
      await state(({ held }) => held === 0)
      const over = await next(plimsoll.poolFigures, ({ got, idle }) => got === 6 && idle === 4)
      assert.deepStrictEqual([over.open, over.waiting, over.errors, over.gaveUp], [4, 0, 0, 0])
      const counts = over.numbers.slice(wire.POOLS.FIGURES.length)
      const sum = (numbers) => numbers.reduce((all, one) => all + one, 0)
      assert.deepStrictEqual([sum(counts.slice(0, counts.length / 2)), sum(counts.slice(counts.length / 2))], [6, 6])
    })

    test(`${library}: it is seen also where it is loaded after the first server listens`, async (t) => {
      const { plimsoll, app } = await start(t, source, { late: true })
      app.poke('t')
      const about = await plimsoll.pools.next()
      assert.strictEqual(about.library, name)
    })

    test(`${library}: it has as many connections as are lent, and closes idle ones first`, async (t) => {
      const { plimsoll, app, rule, grant, state } = await start(t, source, { hold: true })
      app.poke('tttttt')
      await plimsoll.pools.next()
      rule()
      await next(plimsoll.poolAsks, ({ wants }) => wants === 4)
      grant(2)
      await state(({ held }) => held === 2)
      grant(3)
      await state(({ held }) => held === 3)
      grant(1)
      await state(({ size }) => size === 1)
      app.poke('g')
      // Two go, none of those who wait gets one before there is room.
      app.poke('g')
      await state(({ open, held }) => open === 1 && held === 1)
      await next(plimsoll.poolAsks, ({ held, serial }) => held === 1 && serial === 3)
      grant(100)
      const most = await state(({ held }) => held === 4)
      assert.deepStrictEqual([most.open, most.size, most.peak], [4, 4, 4])
      app.poke('gggg')
      await state(({ held }) => held === 0)
      grant(0)
      const least = await state(({ open }) => open === 1)
      assert.deepStrictEqual([least.size, least.failed], [1, []])
    })

    test(`${library}: a wait of too long ends with an error that says why`, async (t) => {
      const { plimsoll, app, rule, state } = await start(t, source)
      app.poke('tttt')
      await state(({ held }) => held === 4)
      await plimsoll.pools.next()
      rule({ enforce: 0, waitTimeoutMs: 50 })
      app.poke('tt')
      const { failed } = await state(({ failed }) => failed.length === 2)
      assert.strictEqual(failed[0].code, 'EPLIMSOLL_POOL')
      assert.match(failed[0].message, /^no connection of the pool \S+ came free within \d+ ms: 4 of 4 are in use, and \d (?:requests wait|request waits) for one$/)
      const figures = await next(plimsoll.poolFigures, ({ refused }) => refused === 2)
      assert.deepStrictEqual([figures.errors, figures.gaveUp, figures.got], [0, 0, 4])
      app.poke('g')
      app.poke('t')
      await state(({ held }) => held === 4)
    })
  }
})

test('generic-pool: a wait ends, whatever its priority is', async (t) => {
  const more = `letters.p = () => [2, 0, 1].forEach((priority) => pool.acquire(priority).catch(({ code }) => failed.push({ code })))`
  const { plimsoll, app, rule, state } = await start(t, GENERIC.replace('max: 4 })', 'max: 4, priorityRange: 3 })'), { more })
  app.poke('tttt')
  await state(({ held }) => held === 4)
  await plimsoll.pools.next()
  rule({ enforce: 0, waitTimeoutMs: 50 })
  app.poke('p')
  const { failed } = await state(({ failed }) => failed.length === 3)
  assert.deepStrictEqual(failed.map(({ code }) => code), Array(3).fill('EPLIMSOLL_POOL'))
  app.poke('gt')
  await state(({ held }) => held === 4)
})

test('when nobody waits any more, no process is kept alive by what would end a wait', async (t) => {
  const more = `letters.e = () => {
    server.close()
    process.stdin.destroy()
    held.splice(0).forEach(give)
    setImmediate(() => { held.splice(0).forEach(give); pool.end() })
  }`
  const { plimsoll, app, rule, state } = await start(t, PG, { more })
  app.poke('ttttt')
  await state(({ held }) => held === 4)
  await plimsoll.pools.next()
  rule({ enforce: 0, leakAfterMs: 1, waitTimeoutMs: LONG_MS })
  await plimsoll.leaks.next()
  const before = performance.now()
  app.poke('e')
  assert.deepStrictEqual(await app.exited, { code: 0, signal: null })
  assert.ok(performance.now() - before < LONG_MS / 4)
})

test('a connection that is closed while it is idle is told', async (t) => {
  const more = `
    pool.on('error', () => {})
    letters.x = () => [...pool._idle].forEach(({ client }) => client.emit('error', new Error('it was idle for long')))`
  const { plimsoll, app, state } = await start(t, PG, { more })
  app.poke('tt')
  await state(({ held }) => held === 2)
  app.poke('gg')
  await next(plimsoll.poolFigures, ({ idle }) => idle === 2)
  app.poke('x')
  await next(plimsoll.poolFigures, ({ open }) => open === 0)
})

test('a connection that is held for long is told once, with the place that took it', async (t) => {
  const { plimsoll, app, rule } = await start(t, PG, { more: 'letters.f = async function forgets () { await pool.connect() }' })
  app.poke('f')
  await plimsoll.pools.next()
  rule({ enforce: 0, leakAfterMs: 100 })
  const { heldMs, taker } = await plimsoll.leaks.next()
  assert.ok(heldMs > 100)
  assert.match(taker.split('\n')[0], /^ {4}at \S*forgets .*app\.cjs:\d+:\d+\)$/)
  const figures = await next(plimsoll.poolFigures, ({ leaked }) => leaked === 1)
  assert.strictEqual(figures.got, 1)
  assert.strictEqual(plimsoll.leaks.length, 0)
})

test('what the app itself gives up, and what cannot be opened, is counted', async (t) => {
  const { plimsoll, app } = await start(t, PG.replace('max: 4', 'max: 1, connectionTimeoutMillis: 50'), {
    more: `
      letters.x = () => { Client.prototype.connect = (done) => setImmediate(done, new Error('refused')) }
      letters.e = () => { held.shift().release(new Error('broken')) }`
  })
  app.poke('t')
  app.poke('t')
  await next(plimsoll.poolFigures, ({ gaveUp }) => gaveUp === 1)
  app.poke('x')
  app.poke('e')
  app.poke('t')
  const figures = await next(plimsoll.poolFigures, ({ errors }) => errors === 1)
  assert.deepStrictEqual([figures.asked, figures.got], [3, 1])
})

test('a pool that has ended is told, and its number is given again', async (t) => {
  const { plimsoll, app, state } = await start(t, PG, { more: 'letters.n = () => { void pool.end() }' })
  app.poke('t')
  await plimsoll.pools.next()
  await state(({ held }) => held === 1)
  app.poke('gn')
  assert.strictEqual(await plimsoll.gone.next(), 0)
})

const LIMITED = {
  'mysql2 without a queue': MYSQL.replace('connectionLimit: 4', 'connectionLimit: 4, waitForConnections: false'),
  'mysql2 with a limited queue': MYSQL.replace('connectionLimit: 4', 'connectionLimit: 4, queueLimit: 1'),
  'generic-pool with a limited queue': GENERIC.replace('max: 4 })', 'max: 4, maxWaitingClients: 1 })')
}

for (const [what, source] of Object.entries(LIMITED)) {
  test(`${what}: where not all may wait, a pool is not re-sized`, async (t) => {
    const { plimsoll, app, rule, state } = await start(t, source, { hold: true })
    app.poke('tttt')
    const { size, failed } = await state(({ held, failed }) => held + failed.length === 4)
    assert.deepStrictEqual([size, failed], [4, []])
    assert.strictEqual((await plimsoll.pools.next()).isSizeable, false)
    rule()
    await next(plimsoll.poolFigures, ({ got }) => got === 4)
    assert.strictEqual((await state(() => true)).size, 4)
  })
}

test('who waits for the first connection that is lent keeps the process alive', async (t) => {
  for (const isLent of [true, false]) {
    const more = "letters.e = () => { server.close(); process.stdin.destroy(); take().then((one) => { say('got'); give(one); pool.end() }) }"
    const { plimsoll, app, rule, grant } = await start(t, PG, { hold: true, more })
    app.poke('e')
    await plimsoll.pools.next()
    if (isLent) {
      rule()
      grant(1)
    }
    assert.strictEqual(await app.next(), 'got')
    assert.deepStrictEqual(await app.exited, { code: 0, signal: null })
  }
})

test('without its supervisor a pool is as large as the app made it', async (t) => {
  const { plimsoll, app, rule, grant, state } = await start(t, PG, { hold: true, more: "process.on('SIGTERM', () => {})" })
  app.poke('tttt')
  await plimsoll.pools.next()
  rule()
  grant(1)
  await state(({ held }) => held === 1)
  plimsoll.die()
  await state(({ held, size }) => held === 4 && size === 4)
})

test('nothing is touched where the app has no pool', async (t) => {
  const plimsoll = await supervisor(t)
  plimsoll.watchPools = { hold: true }
  const app = new App(t, plimsoll, `
    http.createServer().listen(3000, () => say('up'))
    process.stdin.on('data', () => say(Object.keys(require.cache).map((file) => require('path').basename(file)).filter((name) => /^pool/.test(name))))
  `)
  assert.strictEqual(await app.next(), 'up')
  app.poke()
  assert.deepStrictEqual(await app.next(), ['pools.js'])
})
