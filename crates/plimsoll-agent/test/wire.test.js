'use strict'
// Holds js/wire.js equal to the crate plimsoll-wire, by reading its source.
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { TRUNK } = require('../js/layout.js')
const wire = require('../js/wire.js')
const { notice } = require('./support/notice.js')

const SOURCE = path.join(__dirname, '..', '..', 'plimsoll-wire', 'src')
const source = (file) => fs.readFileSync(path.join(SOURCE, file), 'utf8')

/** The constants of a Rust file, by name, as text. */
function constants (file) {
  const found = source(file).matchAll(/^ *(?:pub(?:\([a-z]+\))? )?const ([A-Z_]+): [^=]+ = ([^;]+);/gm)
  return Object.fromEntries([...found].map(([, name, value]) => [name, value.replace(/^"|"$/g, '')]))
}

/** The names of the figures of a Rust file, in their order. */
function figures (file) {
  const table = source(file).match(/^ {4}numbers \{\n(.*?)^ {4}\}/ms)[1]
  return [...table.matchAll(/^ {8}([a-z_0-9]+): /gm)].map(([, name]) => name)
}

test('names and version are those of the Rust crate', () => {
  const { ENV_DIRECTORY, ENV_HEAP, CHANNEL_SOCKET, PRESENCE_FILE, PEER_HEADER, VERSION, LENGTH_MAX } = wire
  const names = constants('names.rs')
  assert.deepStrictEqual({ ENV_DIRECTORY, ENV_HEAP, CHANNEL_SOCKET, PRESENCE_FILE, PEER_HEADER, WAITS: wire.WAITS }, names)
  assert.strictEqual(String(VERSION), constants('lib.rs').VERSION)
  assert.strictEqual(LENGTH_MAX, constants('frame.rs').LENGTH_MAX.split('*').reduce((product, factor) => product * factor, 1))
})

test('the page is that of the Rust crate', () => {
  const page = constants('page.rs')
  assert.deepStrictEqual([wire.PAGE_FILE, wire.PAGE_MISSING], [page.FILE, page.MISSING])
  assert.deepStrictEqual([wire.SLOTS, wire.SLOT_FIRST, wire.STATE_MASK], [page.SLOTS, page.SLOT_FIRST, page.STATE_MASK].map(Number))
  assert.strictEqual(wire.STALL_THRESHOLD, Number(page.STALL_THRESHOLD))
  assert.strictEqual(wire.PAUSE_THRESHOLD, Number(page.PAUSE_THRESHOLD))
  assert.strictEqual(wire.SEMI_SPACE_GROWTH, Number(page.SEMI_SPACE_GROWTH))
  assert.match(source('page.rs'), new RegExp(`Sent = ${wire.SENT},\\s+Started = ${wire.STARTED_STATE},`))
  assert.ok(wire.STARTED.startsWith(`HTTP/1.1 ${page.STARTED_STATUS} `))
  assert.ok(wire.MARKER.startsWith(`HTTP/1.1 ${page.MARKER_STATUS} `))
})

test('the trunk is that of the Rust crate', () => {
  const { MAGIC, BITS, WORDS, BYTES, ...trunk } = constants('trunk.rs')
  const product = (text) => text.split('*').reduce((product, factor) => product * Number(factor), 1)
  const words = Number(trunk.LINK_FIRST) + Number(trunk.LINKS) * Number(trunk.LINK_WORDS)
  const numbers = Object.fromEntries(Object.entries(trunk).map(([name, value]) => [name, name === 'NAME' ? value : product(value)]))
  assert.deepStrictEqual(TRUNK, { ...numbers, DATA: Math.ceil(words * 4 / 4096) * 4096 })
})

test('the words for the watchdog are those of the Rust crate', () => {
  const { STACK_MAX, THRESHOLD_MS, PAUSE_MS, BUSY_MS, GLIMPSE_MS, ...mark } = constants('stall.rs')
  const numbers = Object.fromEntries(Object.entries(mark).map(([name, value]) => [name, Number(value)]))
  assert.deepStrictEqual(wire.MARK, numbers)
  assert.strictEqual(wire.STALL_THRESHOLD_DEFAULT, Number(THRESHOLD_MS))
  assert.strictEqual(wire.PAUSE_THRESHOLD_DEFAULT, Number(PAUSE_MS))
})

test('what the watchdog says is read', () => {
  const said = (kind, fields) => notice(wire.read(wire.frame(kind, fields)))
  const { WATCHDOG, STALLED, RESUMED, BUSY, GLIMPSED, HELLO } = wire.kinds
  assert.deepStrictEqual(said(WATCHDOG, [2, 42]), { version: 2, watchdog: 42 })
  const stalled = { stalled: 9, at: 104, running: { slot: 7, word: 6 }, stack: '    at work (/a:1:2)', late: false }
  assert.deepStrictEqual(said(STALLED, [9, 104, 7, 6, '    at work (/a:1:2)', 0]), stalled)
  assert.deepStrictEqual(said(STALLED, [9, 104, '', '', '', 1]), { ...stalled, running: null, stack: '', late: true })
  const resumed = { resumed: 9, total: 412, gc: 3, cpu: 400, delayed: 7, answered: { slot: 7, word: 6 } }
  assert.deepStrictEqual(said(RESUMED, [9, 412, 3, 400, 7, 7, 6]), resumed)
  assert.deepStrictEqual(said(RESUMED, [9, 412, 3, 400, 7, '', '']), { ...resumed, answered: null })
  assert.deepStrictEqual(said(BUSY, [7, 6, 25]), { busy: 25, slot: 7, word: 6 })
  assert.deepStrictEqual(said(GLIMPSED, [7, 6, '    at work (/a:1:2)', 1]), { glimpsed: '    at work (/a:1:2)', slot: 7, word: 6, late: true })
  assert.strictEqual(said(HELLO, []), null)
  assert.match(source('message.rs'), /STALLED => .*stall: .*at_ms: .*running: .*stack: .*late: /s)
  assert.match(source('message.rs'), /RESUMED => .*stall: .*total_ms: .*gc_ms: .*cpu_ms: .*delayed_ms: .*answered: /s)
})

test('kinds are those of the Rust crate', () => {
  const { ROUTE_MAX, ...rest } = constants('message.rs')
  assert.strictEqual(wire.ROUTE_MAX, Number(ROUTE_MAX))
  const kinds = Object.fromEntries(Object.entries(wire.kinds).map(([name, value]) => [name, String(value)]))
  const { ORIGINS_MAX, OTHERS, NAME_MAX, BOUNDS_MS, BUCKETS, SAMPLES_MAX, ...calls } = constants('calls.rs')
  const { POOLS_MAX, NAME_MAX: POOL_NAME_MAX, TAKER_MAX, DECADE_US, DECADES, TIMES, ...pools } = constants('pools.rs')
  const { SPAN, WATCH_SPANS, ...lengths } = constants('spans.rs')
  assert.deepStrictEqual(wire.SPANS, Object.fromEntries(Object.entries(lengths).map(([name, max]) => [name, Number(max)])))
  const { LINE_MAX, TEXT_MAX, ...metrics } = constants('metrics.rs')
  const { STACK_MAX, AUTHORS_MAX, INIT, BEFORE, AFTER, DESTROY, PROMISE_RESOLVE, NO_PROMISES, ...tax } = constants('tax.rs')
  assert.deepStrictEqual(kinds, { ...rest, ...calls, ...pools, ...metrics, ...tax, SPAN, WATCH_SPANS })
  assert.ok(BUCKETS.startsWith('BOUNDS_MS'))
})

test('what is said of async context is what the Rust crate reads', () => {
  const { STACK_MAX, AUTHORS_MAX, TAX_AUTHOR, TAX_RATE, ...callbacks } = constants('tax.rs')
  const CALLBACK = Object.fromEntries(Object.entries(callbacks).map(([name, value]) => [name, Number(value)]))
  const stack = STACK_MAX.split('*').reduce((product, factor) => product * factor, 1)
  assert.deepStrictEqual(wire.TAX, { STACK_MAX: stack, AUTHORS_MAX: Number(AUTHORS_MAX), CALLBACK })
  const fieldsOf = (bytes) => wire.read(bytes).fields
  assert.deepStrictEqual(fieldsOf(wire.taxAuthor('run', 0, 'at')), ['run', '0', 'at'])
  assert.ok(Buffer.byteLength(fieldsOf(wire.taxAuthor('hook', 9, 'é'.repeat(5000)))[2]) <= stack)
  assert.deepStrictEqual(fieldsOf(wire.taxRate(true, 9, false, 7, 8)), ['1', '9', '0', '7', '8'])
  assert.match(source('tax.rs'), /is_on: .*callbacks: .*has_frame: .*resources: .*active_us: /s)
})

test('what is said of calls is what the Rust crate reads', () => {
  const found = constants('calls.rs')
  const bounds = source('calls.rs').match(/BOUNDS_MS: .* = \[(.*)\];/)[1].split(',').map((number) => Number(number.replace('_', '')))
  const { ORIGINS_MAX, OTHERS, NAME_MAX, BOUNDS_MS } = wire.CALLS
  assert.deepStrictEqual({ ORIGINS_MAX, OTHERS, NAME_MAX, BOUNDS_MS }, {
    ORIGINS_MAX: Number(found.ORIGINS_MAX), OTHERS: found.OTHERS, NAME_MAX: Number(found.NAME_MAX), BOUNDS_MS: bounds
  })
  assert.deepStrictEqual(wire.CALLS.FIGURES, figures('calls/figures.rs'))
  assert.strictEqual(wire.CALLS.SAMPLES_MAX, Number(found.SAMPLES_MAX))
  const fieldsOf = (bytes) => wire.read(bytes).fields
  assert.deepStrictEqual(fieldsOf(wire.samples(3, 7, [1, 2])), ['3', '7', '1 2'])
  assert.deepStrictEqual(fieldsOf(wire.fanOut(3, 7, -1, 50)), ['3', '7', '4294967295', '50'])
  assert.match(source('calls.rs'), /FAN_OUT => .*origin: .*slot: .*word: .*calls: /s)
  assert.deepStrictEqual(fieldsOf(wire.broken(3, 7, -1)), ['3', '7', '4294967295'])
  assert.match(source('calls.rs'), /BROKEN => .*origin: .*slot: .*word: /s)
  assert.deepStrictEqual(fieldsOf(wire.origin(3, 'http://a')), ['3', 'http://a'])
  assert.deepStrictEqual(fieldsOf(wire.ask(3, 'rate', 1, 2, 4, 5)), ['3', 'rate', '1', '2', '4', '5'])
  assert.match(source('calls.rs'), /ASK => .*origin: .*budget: .*serial: .*wants: .*held: .*stamp: /s)
  const message = (kind, fields) => wire.message(wire.read(wire.frame(kind, fields)))
  const { WATCH_CALLS, LIMIT, GRANT, BREAKER } = wire.kinds
  assert.deepStrictEqual(message(WATCH_CALLS, [1]), { watch: true, hold: true })
  const limit = { enforce: true, concurrency: 1, rate: 2, burst: 3, queue: 4, queueTimeoutMs: 5, perRequest: 6, adaptive: true, breaker: 2, retryPercent: 7, retryLeast: 8 }
  assert.deepStrictEqual(message(LIMIT, [9, 1, 1, 2, 3, 4, 5, 6, 1, 2, 7, 8]), { origin: 9, limit })
  const grant = { budget: 'concurrency', serial: 1, amount: 2, stamp: 3, lengthMs: 4 }
  assert.deepStrictEqual(message(GRANT, [9, 'concurrency', 1, 2, 3, 4]), { origin: 9, grant })
  assert.match(source('calls.rs'), /LIMIT => .*enforce: .*concurrency: .*rate: .*burst: .*queue: .*queue_timeout_ms: .*per_request: .*adaptive: .*breaker: .*retry_percent: .*retry_least: /s)
  assert.match(source('calls.rs'), /enum Watched \{.*Off,.*Observe,.*Enforce,/s)
  assert.deepStrictEqual(wire.CALLS.WATCHED, { OFF: 0, OBSERVE: 1, ENFORCE: 2 })
  const said = { calls: 1, failed: 2, gateway: 3, run: 4, gatewayRun: 5, okAgoMs: 6 }
  assert.deepStrictEqual(fieldsOf(wire.outcomes(9, said)), ['9', '1', '2', '3', '4', '5', '6'])
  assert.match(source('calls/breaker.rs'), /fn read.*calls: .*failed: .*gateway: .*run: .*gateway_run: .*ok_ago_ms: /s)
  assert.deepStrictEqual([fieldsOf(wire.probe(9)), fieldsOf(wire.probed(9, 'failed'))], [['9'], ['9', 'failed']])
  for (const word of ['answered', 'failed', 'nothing', 'closed', 'open', 'probe']) assert.match(source('calls/breaker.rs'), new RegExp(`"${word}"`))
  assert.deepStrictEqual(message(BREAKER, [9, 'open', 5, 'why']), { origin: 9, breaker: { state: 'open', forMs: 5, why: 'why' } })
  assert.deepStrictEqual(message(BREAKER, [9, 'closed']), { origin: 9, breaker: { state: 'closed', forMs: 0, why: '' } })
  // The figures: each is counted.
  const { Origin } = require('../js/origin.js')
  const counted = new Origin(0, 'http://a', {}, false).figures()
  assert.deepStrictEqual(counted, new Array(wire.CALLS.FIGURES.length + BOUNDS_MS.length + 1).fill(0))
})

test('what is said of pools is what the Rust crate reads', () => {
  const found = constants('pools.rs')
  const decade = source('pools.rs').match(/DECADE_US: .* =\s+\[(.*)\];/)[1].split(',').map(Number)
  const [POOLS_MAX, NAME_MAX, TAKER_MAX, DECADES] = [found.POOLS_MAX, found.NAME_MAX, found.TAKER_MAX, found.DECADES].map(Number)
  const FIGURES = figures('pools/figures.rs')
  assert.deepStrictEqual(wire.POOLS, { POOLS_MAX, NAME_MAX, TAKER_MAX, DECADE_US: decade, DECADES, FIGURES })
  const fieldsOf = (bytes) => wire.read(bytes).fields
  assert.deepStrictEqual(fieldsOf(wire.pool(3, 'pg', 'db:5432', 'sh\nop', 10, true, false)), ['3', 'pg', 'db:5432', 'shop', '10', '1', '0'])
  assert.ok(Buffer.byteLength(fieldsOf(wire.pool(3, 'pg', 'é'.repeat(200), '', 10, true))[2]) <= NAME_MAX)
  assert.match(source('pools.rs'), /POOL => .*library: .*server: .*database: .*max: .*is_sizeable: .*is_shared: /s)
  assert.deepStrictEqual(fieldsOf(wire.poolAsk(3, 1, 2, 4, 5)), ['3', '1', '2', '4', '5'])
  assert.match(source('lease.rs'), /serial: .*wants: .*held: .*stamp: .*serial: .*amount: .*stamp: .*length_ms: /s)
  assert.deepStrictEqual(fieldsOf(wire.poolLeak(3, 31000, 'at')), ['3', '31000', 'at'])
  assert.deepStrictEqual(fieldsOf(wire.poolGone(3)), ['3'])
  assert.deepStrictEqual(fieldsOf(wire.poolServer(3, 100, 17)), ['3', '100', '17'])
  const message = (kind, fields) => wire.message(wire.read(wire.frame(kind, fields)))
  const { WATCH_POOLS, POOL_RULE, POOL_GRANT } = wire.kinds
  assert.deepStrictEqual(message(WATCH_POOLS, [1]), { watchPools: true, hold: true })
  const rule = { enforce: true, mayGrow: false, inspect: true, leakAfterMs: 30000, waitTimeoutMs: 0 }
  assert.deepStrictEqual(message(POOL_RULE, [3, 1, 0, 1, 30000, 0]), { pool: 3, rule })
  assert.match(source('pools.rs'), /POOL_RULE => .*enforce: .*may_grow: .*inspect: .*leak_after_ms: .*wait_timeout_ms: /s)
  assert.deepStrictEqual(message(POOL_GRANT, [3, 1, 2, 3, 4]), { pool: 3, grant: { serial: 1, amount: 2, stamp: 3, lengthMs: 4 } })
  // The figures: each is counted.
  const { Pool } = require('../js/pool.js')
  const { BOUNDS_MS } = require('../js/times.js')
  const none = () => 0
  const adapter = { library: 'none', open: none, idle: none, waiting: none, max: none }
  const counted = new Pool(0, adapter, adapter, {}, false).figures(0, adapter)
  assert.deepStrictEqual(counted, new Array(FIGURES.length + 2 * (BOUNDS_MS.length + 1)).fill(0))
  assert.deepStrictEqual([BOUNDS_MS[0], BOUNDS_MS[34], BOUNDS_MS[BOUNDS_MS.length - 1]], [0.1, 5, 86_000])
})

test('what is said of metrics is what the Rust crate reads', () => {
  const { LINE_MAX } = constants('metrics.rs')
  assert.strictEqual(wire.METRICS.LINE_MAX, LINE_MAX.split('*').reduce((product, factor) => product * factor, 1))
  const fieldsOf = (bytes) => wire.read(bytes).fields
  assert.deepStrictEqual(fieldsOf(wire.metricsPart(7, 'n{}\n')), ['7', 'n{}\n'])
  assert.deepStrictEqual(fieldsOf(wire.metricsEnd(7, 3)), ['7', '3'])
  assert.match(source('metrics.rs'), /METRICS_END => .*id: .*left_out: /s)
  const question = wire.message(wire.read(wire.frame(wire.kinds.READ_METRICS, [7, 4096, 1])))
  assert.deepStrictEqual(question, { readMetrics: true, id: 7, bytesMax: 4096, app: true })
  assert.match(source('metrics.rs'), /READ_METRICS => .*id: .*bytes_max: .*app: /s)
})

test('fields of the messages come in the order of the Rust crate', () => {
  const request = { kind: 'tcp', host: '::1', port: 3000, ipv6Only: true, backlog: 511 }
  const fieldsOf = (bytes) => wire.read(bytes).fields
  assert.deepStrictEqual(fieldsOf(wire.hello('why')), [String(wire.VERSION), String(process.pid), process.version, 'why'])
  assert.deepStrictEqual(fieldsOf(wire.listen(3, request, '/x/1.s')), ['3', 'tcp', '::1', '3000', '1', '511', '/x/1.s'])
  assert.deepStrictEqual(fieldsOf(wire.close(3)), ['3'])
  assert.deepStrictEqual(fieldsOf(wire.profileBegan(7, 5e9)), ['7', '5000000000'])
  assert.deepStrictEqual(fieldsOf(wire.profiled(7, 'why')), ['7', 'why'])
  assert.deepStrictEqual(fieldsOf(wire.largeBody(7, -2, 5e9)), ['7', '4294967294', '5000000000'])
  assert.deepStrictEqual(fieldsOf(wire.route('GET', '/a/1', '/a/:b')), ['GET', '/a/1', '/a/:b'])
  assert.match(source('message.rs'), /LARGE_BODY => .*slot.*word.*bytes/s)
  assert.match(source('message.rs'), /ROUTE => .*method.*path.*route/s)
  assert.match(source('message.rs'), /PROFILE_BEGAN => .*id.*heap_bytes/s)
  assert.match(source('message.rs'), /PROFILED => .*id.*result/s)
  assert.match(source('message.rs'), /HELLO => .*version.*pid.*node.*addon/s)
  assert.match(source('message.rs'), /LISTEN => .*server.*kind.*host.*port.*ipv6_only.*backlog.*path/s)
})

test('answers are read', () => {
  const answer = (kind, fields) => wire.message(wire.read(wire.frame(kind, fields)))
  const bound = { address: '::', family: 'IPv6', port: 3000 }
  assert.deepStrictEqual(answer(wire.kinds.BOUND, [3, '::', 3000, 'IPv6']), { server: 3, bound })
  assert.deepStrictEqual(answer(wire.kinds.REFUSED, [3, 'EACCES']), { server: 3, refused: 'EACCES' })
  assert.strictEqual(answer(wire.kinds.BOUND, [3]), null)
  assert.strictEqual(answer(99, [3]), null)
})

test('orders are read', () => {
  const order = (kind, fields) => wire.message(wire.read(wire.frame(kind, fields)))
  const { PROFILE, HEAP_SNAPSHOT, STOP_PROFILE } = wire.kinds
  assert.deepStrictEqual(order(PROFILE, [7, 10, 1000, 100, '/x']), { order: 'profile', id: 7, seconds: 10, intervalUs: 1000, stallMs: 100, path: '/x' })
  assert.deepStrictEqual(order(HEAP_SNAPSHOT, [7, 5e9, '/x']), { order: 'heapSnapshot', id: 7, heapBytesMax: 5e9, path: '/x' })
  assert.deepStrictEqual(order(STOP_PROFILE, [7]), { order: 'stop', id: 7 })
  for (const kind of [PROFILE, HEAP_SNAPSHOT, STOP_PROFILE]) assert.strictEqual(order(kind, []), null)
  assert.match(source('message.rs'), /PROFILE => .*id.*seconds.*interval_us.*stall_ms.*path/s)
  assert.match(source('message.rs'), /HEAP_SNAPSHOT => .*id.*heap_bytes_max.*path/s)
})

test('a frame reads back, and an incomplete one waits', () => {
  for (const fields of [[], [''], ['a', '', 'é'.repeat(1000)]]) {
    const bytes = wire.frame(7, fields)
    assert.deepStrictEqual(wire.read(bytes), { kind: 7, fields, used: bytes.length })
    for (let cut = 0; cut < bytes.length; cut++) assert.strictEqual(wire.read(bytes.subarray(0, cut)), null)
  }
})

test('a field that is too long is cut at its length, also within a character', () => {
  for (const text of ['a'.repeat(70_000), 'é'.repeat(40_000), 'a'.repeat(0xffff)]) {
    const bytes = wire.frame(7, [text, 'after it'])
    assert.strictEqual(bytes.readUInt16LE(5), 0xffff)
    assert.ok(bytes.subarray(7, 7 + 0xffff).equals(Buffer.from(text).subarray(0, 0xffff)))
    assert.strictEqual(bytes.toString('utf8', 7 + 0xffff + 2), 'after it')
  }
})

test('bytes that can never become a frame are an error', () => {
  for (const bytes of [[0, 0, 0, 0], [1, 0, 1, 0], [4, 0, 0, 0, 1, 9, 0, 1], [2, 0, 0, 0, 1, 9]]) {
    assert.throws(() => wire.read(Buffer.from(bytes)), { code: 'ERR_PLIMSOLL_FRAME' })
  }
})
