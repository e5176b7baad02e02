'use strict'
// Pools that are only seen, not re-sized: those of clients of Redis, of MongoDB, of undici. The servers are fakes, the clients
// are real.
const assert = require('node:assert')
const path = require('node:path')
const { describe, test } = require('node:test')
const wire = require('../js/wire.js')
const undici = require('../js/pool_undici.js')
const { App, supervisor } = require('./support/index.js')
const { MONGO, REDIS } = require('./support/fakes.js')

const { POOL_RULE } = wire.kinds
const MODULES = JSON.stringify(path.join(__dirname, 'node_modules'))

/** An app that does what is written on its standard input, which is code. */
async function start (t, source, { calls = null } = {}) {
  const plimsoll = await supervisor(t)
  plimsoll.watchPools = { hold: false }
  plimsoll.watch = calls
  const app = new App(t, plimsoll, `
    module.paths.push(${MODULES})
    const main = async () => {
      ${source}
      http.createServer().listen(3000, () => say('up'))
      process.stdin.on('data', (text) => { for (const line of String(text).trim().split('\\n')) eval(line) })
    }
    main()
  `)
  assert.strictEqual(await app.next(), 'up')
  return { plimsoll, app, run: (code) => app.poke(`${code}\n`) }
}

async function next (queue, fits) {
  for (;;) {
    const one = await queue.next()
    if (fits(one)) return one
  }
}

/** How long all waits, and all uses, took together. */
const waitedMs = ({ numbers }) => numbers[12] / 1000
const usedMs = ({ numbers }) => numbers[13] / 1000

const IOREDIS = `${REDIS}
  const Redis = require('ioredis')
  const client = new Redis(await listening, '127.0.0.1', { db: 2 })
  await client.ping()
  const ask = () => client.get('a').catch(() => {})
  const fail = () => client.call('fail').catch(() => {})
  const hold = () => { redis.leave(); return new Promise((resolve) => client.once('close', resolve)) }
  const leave = () => client.disconnect()
`
const NODE_REDIS = `${REDIS}
  const { createClient } = require('redis')
  const client = createClient({ url: 'redis://127.0.0.1:' + await listening + '/2', RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  await client.ping()
  const ask = () => client.get('a').catch(() => {})
  const fail = () => client.sendCommand(['fail']).catch(() => {})
  const hold = () => { redis.leave(); return new Promise((resolve) => client.once('reconnecting', resolve)) }
  const leave = () => client.destroy()
`

describe('clients of Redis', { concurrency: 4 }, () => {
  for (const [library, source] of [['ioredis', IOREDIS], ['redis', NODE_REDIS]]) {
    test(`${library}: its commands are counted, with the time until each is answered`, async (t) => {
      const { plimsoll, run } = await start(t, source)
      run('for (let i = 0; i < 5; i++) ask(); fail()')
      const about = await plimsoll.pools.next()
      assert.deepStrictEqual([about.library, about.database, about.max, about.isSizeable, about.isShared], [library, '2', 0, false, true])
      assert.match(about.server, /^127\.0\.0\.1:\d+$/)
      const figures = await next(plimsoll.poolFigures, ({ got }) => got === 6)
      assert.deepStrictEqual([figures.asked, figures.open, figures.idle, figures.waiting, figures.errors], [6, 1, 1, 0, 0])
      assert.ok(usedMs(figures) >= 6 * 19, `${usedMs(figures)}`)
      assert.strictEqual(waitedMs(figures), 0)
    })

    test(`${library}: a command waits only while there is no connection`, async (t) => {
      const { plimsoll, run } = await start(t, source)
      run('hold().then(() => { ask(); ask() })')
      const waits = await next(plimsoll.poolFigures, ({ waiting }) => waiting === 2)
      assert.ok(waits.oldest > 0)
      run('redis.come()')
      const over = await next(plimsoll.poolFigures, ({ got }) => got === 2)
      assert.ok(waitedMs(over) > 2 * usedMs(over) || waitedMs(over) > 100, `${waitedMs(over)} ${usedMs(over)}`)
      assert.ok(over.errors >= 1)
      assert.deepStrictEqual([over.waiting, over.gaveUp], [0, 0])
    })

    test(`${library}: a client that has ended is gone, and comes again`, async (t) => {
      const { plimsoll, run } = await start(t, source)
      run('ask()')
      await plimsoll.pools.next()
      await next(plimsoll.poolFigures, ({ got }) => got === 1)
      run('leave()')
      run('void 0')
      assert.strictEqual(await plimsoll.gone.next(), 0)
      run('client.connect().then(ask)')
      assert.strictEqual((await plimsoll.pools.next()).library, library)
    })
  }
})

test('ioredis: a command of a client that has ended is no connection', async (t) => {
  const { plimsoll, app, run } = await start(t, IOREDIS)
  run('ask()')
  await next(plimsoll.poolFigures, ({ got }) => got === 1)
  run("client.once('end', () => say('over')); leave()")
  assert.strictEqual(await app.next(), 'over')
  await plimsoll.gone.next()
  run("ask().then(() => new Redis(client.options).get('a'))")
  const figures = await next(plimsoll.poolFigures, ({ got }) => got === 1)
  assert.deepStrictEqual([figures.asked, figures.open], [1, 1])
})

test('redis: what is sent before the handshake is over waits no longer than that', async (t) => {
  const { plimsoll, app, run } = await start(t, NODE_REDIS)
  run("const late = client.duplicate(); late.on('error', () => {}); late.on('connect', () => late.get('a').then(() => say('got'))); late.connect().then(() => { globalThis.late = late })")
  assert.strictEqual(await app.next(), 'got')
  run('redis.delay = 2 ** 30; late.get("a")')
  const figures = await next(plimsoll.poolFigures, ({ got, asked }) => got === 1 && asked === 2)
  assert.deepStrictEqual([figures.open, figures.idle, figures.waiting], [1, 0, 0])
})

/** Two nodes of a cluster: the first says that all is its own, and sends each \`get\` on to the other. */
const CLUSTER = `
  const node = (answer) => new Promise((resolve) => {
    const server = net.createServer((socket) => socket.on('error', () => {}).on('data', (bytes) => {
      const commands = String(bytes).match(/\\*\\d+\\r\\n\\$\\d+\\r\\n\\w+/g) ?? []
      for (const command of commands) socket.write(/info$/i.test(command) ? '$0\\r\\n\\r\\n' : answer(command, server))
    })).listen(0, '127.0.0.1', () => resolve(server.address().port))
  })
  const second = await node(() => '+OK\\r\\n')
  const slots = (port) => '*1\\r\\n*3\\r\\n:0\\r\\n:16383\\r\\n*2\\r\\n$9\\r\\n127.0.0.1\\r\\n:' + port + '\\r\\n'
  const first = await node((command, server) => {
    if (/cluster$/i.test(command)) return slots(server.address().port)
    return /get$/i.test(command) ? '-MOVED 15495 127.0.0.1:' + second + '\\r\\n' : '+OK\\r\\n'
  })
  const Redis = require('ioredis')
  const client = new Redis.Cluster([{ host: '127.0.0.1', port: first }])
  await new Promise((resolve) => client.once('ready', resolve))
`

test('ioredis: a command that a node of a cluster sends on to another is counted once', async (t) => {
  const { plimsoll, app, run } = await start(t, CLUSTER)
  run("client.get('a').then((value) => say({ value }))")
  assert.deepStrictEqual(await app.next(), { value: 'OK' })
  const figures = await next(plimsoll.poolFigures, ({ asked, got }) => asked > 0 && got >= asked)
  assert.deepStrictEqual([figures.got, figures.idle], [figures.asked, figures.open])
})

test('redis: an error that nobody handles is that of the app as before', async (t) => {
  const { app, run } = await start(t, `${NODE_REDIS}
    process.on('unhandledRejection', ({ message }) => say({ message }))`)
  run("void client.sendCommand(['fail'])")
  assert.match((await app.next()).message, /ERR no/)
})

const MONGODB = `${MONGO}
  const { MongoClient } = require('mongodb')
  const client = new MongoClient('mongodb://127.0.0.1:' + await listening + '/shop?maxPoolSize=2')
  await client.connect()
  const failed = []
  const ask = () => client.db('shop').collection('orders').findOne({}).catch(({ code, message }) => say({ code, message }))
`

describe('mongodb', { concurrency: 2 }, () => {
  test('its pool is seen: who waits, for how long, and what is open', async (t) => {
    const { plimsoll, run } = await start(t, MONGODB)
    run('for (let i = 0; i < 6; i++) ask()')
    const about = await plimsoll.pools.next()
    assert.deepStrictEqual([about.library, about.max, about.isSizeable, about.isShared], ['mongodb', 2, false, false])
    assert.match(about.server, /^127\.0\.0\.1:\d+$/)
    const figures = await next(plimsoll.poolFigures, ({ got, idle }) => got === 6 && idle === 2)
    assert.deepStrictEqual([figures.asked, figures.open, figures.waiting, figures.opened, figures.errors, figures.gaveUp], [6, 2, 0, 2, 0, 0])
    assert.ok(usedMs(figures) >= 6 * 49 && waitedMs(figures) >= 2 * 49 + 2 * 99, `${usedMs(figures)} ${waitedMs(figures)}`)
  })

  test('what is held for long is told, and a wait of too long ends', async (t) => {
    const { plimsoll, app, run } = await start(t, MONGODB)
    run('mongo.delay = 2 ** 30; ask(); ask()')
    await plimsoll.pools.next()
    plimsoll.order(POOL_RULE, [0, 0, 0, 0, 100, 50])
    assert.ok((await plimsoll.leaks.next()).heldMs > 100)
    run('ask()')
    const { code, message } = await app.next()
    assert.strictEqual(code, 'EPLIMSOLL_POOL')
    assert.match(message, /2 of 2 are in use/)
    const figures = await next(plimsoll.poolFigures, ({ refused }) => refused === 1)
    assert.deepStrictEqual([figures.waiting, figures.leaked], [0, 2])
  })
})

test('mongodb: a connection that is closed long after its last use is told', async (t) => {
  const { plimsoll, run } = await start(t, MONGODB.replace('maxPoolSize=2', 'maxPoolSize=2&maxIdleTimeMS=2500'))
  run('ask()')
  await next(plimsoll.poolFigures, ({ got, idle }) => got === 1 && idle === 1)
  await next(plimsoll.poolFigures, ({ open }) => open === 0)
})

/** A server that says as much as postgres.js needs to think that it is PostgreSQL. */
const POSTGRES = `
  const frame = (kind, ...bytes) => Buffer.from([kind.charCodeAt(0), 0, 0, 0, bytes.length + 4, ...bytes])
  const ready = frame('Z', 'I'.charCodeAt(0))
  const database = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(Buffer.concat([frame('R', 0, 0, 0, 0), frame('K', 0, 0, 0, 1, 0, 0, 0, 1), ready]))
      socket.on('data', (bytes) => bytes[0] === 'Q'.charCodeAt(0) && socket.write(Buffer.concat([frame('C', ...Buffer.from('SELECT 0\0')), ready])))
    })
  })
  const port = await new Promise((resolve) => database.listen(0, '127.0.0.1', () => resolve(database.address().port)))
  const sql = require('postgres')({ host: '127.0.0.1', port, max: 2, idle_timeout: 2.5, fetch_types: false })
  const ask = () => sql.unsafe('select').simple().then(() => {})
`

test('postgres: a connection that is closed long after its last use is told, and another one is opened', async (t) => {
  const { plimsoll, run } = await start(t, POSTGRES)
  run('ask(); ask()')
  assert.strictEqual((await plimsoll.pools.next()).library, 'postgres')
  await next(plimsoll.poolFigures, ({ got, open }) => got === 2 && open === 2)
  await next(plimsoll.poolFigures, ({ open }) => open === 0)
  run('ask()')
  const figures = await next(plimsoll.poolFigures, ({ got }) => got === 3)
  assert.deepStrictEqual([figures.open, figures.opened], [1, 3])
})

const UNDICI = `
  const { Pool } = require('undici')
  const server = http.createServer((request, response) => setTimeout(() => response.end('ok'), 50))
  const port = await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
  const pool = new Pool('http://127.0.0.1:' + port, { connections: 2 })
  const ask = () => pool.request({ path: '/', method: 'GET' }).then(({ body }) => body.text())
`

const NODE = Number(process.versions.node.split('.')[0])
for (const [version, needs] of [['undici', 18], ['undici-8', 22]]) {
  test(`${version}: a pool with a limit is seen`, { skip: NODE < needs }, async (t) => {
    const { plimsoll, run } = await start(t, UNDICI.replace("'undici'", `'${version}'`))
    run('for (let i = 0; i < 6; i++) ask()')
    const about = await plimsoll.pools.next()
    assert.deepStrictEqual([about.library, about.max, about.isSizeable, about.isShared], ['undici', 2, false, false])
    const figures = await next(plimsoll.poolFigures, ({ got, idle }) => got === 6 && idle === 2)
    assert.deepStrictEqual([figures.asked, figures.open, figures.waiting], [6, 2, 0])
    assert.ok(usedMs(figures) >= 6 * 49 && waitedMs(figures) >= 2 * 49 + 2 * 98, `${usedMs(figures)} ${waitedMs(figures)}`)
  })
}

test('undici: a pool whose requests tell nothing of themselves is not seen', () => {
  const kDispatch = Symbol('dispatch')
  const kConnections = Symbol('connections')
  const poolOf = (folder, request) => {
    const looked = []
    class PoolBase {
      [kConnections] = 1;
      [kDispatch] () { return true }
    }
    undici.install({ PoolBase }, (target) => { looked.push(target); return null }, path.join(folder, 'lib', 'dispatcher', 'pool-base.js'))
    undici.install(request, null, path.join(folder, 'lib', 'core', 'request.js'))
    new PoolBase()[kDispatch]({}, {})
    return looked.length
  }
  assert.strictEqual(poolOf('new', class { onStarted () {} onEnded () {} }), 0)
  assert.strictEqual(poolOf('old', class { onConnect () {} onComplete () {} onError () {} }), 1)
})

test('undici: a call that waited in its pool is one call', async (t) => {
  const { plimsoll, run } = await start(t, UNDICI, { calls: { hold: false } })
  run('for (let i = 0; i < 6; i++) ask()')
  let all = 0
  while (all < 6) {
    const { calls, in_flight: inFlight } = await plimsoll.figures.next()
    if (inFlight === 0) all = calls
  }
  assert.strictEqual(all, 6)
})
