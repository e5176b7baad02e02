'use strict'
// The JavaScript half of the crate plimsoll-wire: the same names, kinds and frame. test/wire.test.js reads the
// Rust source and holds the two equal.

const VERSION = 2

const ENV_DIRECTORY = 'PLIMSOLL_AGENT_DIR'
const ENV_HEAP = 'PLIMSOLL_AGENT_HEAP'
const CHANNEL_SOCKET = 'agent.sock'
const PRESENCE_FILE = 'node'
const PEER_HEADER = 'x-plimsoll'

// The last field of the private header of a request whose sender waits until it has started.
const WAITS = 'w'

const PAGE_FILE = 'page'
const PAGE_MISSING = 'page: '
const SLOTS = 1024
const SLOT_FIRST = 64
const STALL_THRESHOLD = 3
const STALL_THRESHOLD_DEFAULT = 100
const PAUSE_THRESHOLD = 4
const PAUSE_THRESHOLD_DEFAULT = 50
const SEMI_SPACE_GROWTH = 5
const STATE_MASK = 0b11
const SENT = 1
const STARTED_STATE = 2

// Words that the watchdog reads: see the crate's `stall`.
const MARK = {
  SLOT: 0,
  WORD: 1,
  ASLEEP: 2,
  ARMED: 3,
  LOST: 4,
  ANSWERED_SLOT: 5,
  ANSWERED_WORD: 6,
  FOLLOW: 7,
  CONTEXT_SLOT: 8,
  CONTEXT_WORD: 9,
  WANTED: 10,
  HEAP_USED: 11,
  HEAP_TOTAL: 12,
  HEAP_LIMIT: 13,
  EXTERNAL: 14,
  ARRAY_BUFFERS: 15,
  ALLOCATED: 16,
  ALLOCATED_KNOWN: 17,
  WORDS: 18,
  MEASURE: 1,
  WEIGH: 2,
  WEIGHING: 4,
  GROW: 8
}

// What is said of the app's calls: see the crate's `calls`.
const CALLS = {
  ORIGINS_MAX: 64,
  OTHERS: 'others',
  SAMPLES_MAX: 32,
  NAME_MAX: 300,
  /** How a breaker looks at calls. */
  WATCHED: { OFF: 0, OBSERVE: 1, ENFORCE: 2 },
  BOUNDS_MS: [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000],
  FIGURES: [
    'in_flight', 'waiting', 'calls', 'errors', 'timeouts', 'given_up', 'failed', 'queued', 'waited_ms', 'refused', 'took_ms', 'peak',
    'fan_outs', 'fan_out_max', 'fan_out_p99', 'would_queue', 'would_wait_ms', 'would_refuse', 'abandoned', 'sessions',
    'unlimited', 'broken', 'retries', 'retries_refused'
  ]
}

// What is said of the app's pools: see the crate's `pools`.
const POOLS = {
  POOLS_MAX: 32,
  NAME_MAX: 200,
  TAKER_MAX: 2000,
  DECADE_US: [100, 110, 125, 140, 160, 180, 200, 225, 250, 280, 315, 350, 400, 450, 500, 560, 625, 680, 750, 860],
  DECADES: 6,
  FIGURES: [
    'open', 'idle', 'waiting', 'oldest_us', 'max', 'leaked', 'asked', 'got', 'gave_up', 'refused', 'opened', 'errors',
    'waited_us', 'used_us', 'waiting_peak', 'used_peak', 'spread', 'over_us'
  ]
}

// What is said of what traced requests wait for: see the crate's `spans`.
const SPANS = { TO_MAX: 300, METHOD_MAX: 20, PATH_MAX: 256, ERROR_MAX: 64 }

// What is said of metrics: see the crate's `metrics`.
const METRICS = { LINE_MAX: 32 * 1024 }

// What is said of async context: see the crate's `tax`.
const TAX = {
  STACK_MAX: 4096,
  AUTHORS_MAX: 8,
  CALLBACK: { INIT: 1, BEFORE: 2, AFTER: 4, DESTROY: 8, PROMISE_RESOLVE: 16, NO_PROMISES: 32 }
}

// Raw, as no response of Node's would be without headers of its own.
const STARTED = 'HTTP/1.1 199 Started\r\n\r\n'
const MARKER = 'HTTP/1.1 599 Revoked\r\nContent-Length: 0\r\n\r\n'

const LENGTH_MAX = 64 * 1024
// What a name must not hold.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g
const ROUTE_MAX = 1024

const HELLO = 1
const LISTEN = 2
const CLOSE = 3
const WATCHDOG = 16
const STALLED = 17
const RESUMED = 18
const BUSY = 19
const MEMORY = 20
const GLIMPSED = 21
const PROFILE_BEGAN = 32
const PROFILED = 33
const LARGE_BODY = 34
const ROUTE = 35
const ALLOCATED = 36
const TAX_AUTHOR = 40
const TAX_RATE = 41
const BOUND = 65
const REFUSED = 66
const PROFILE = 80
const HEAP_SNAPSHOT = 81
const STOP_PROFILE = 82
const METRICS_PART = 60
const METRICS_END = 61
const READ_METRICS = 88
const ORIGIN = 48
const ASK = 49
const CALL_FIGURES = 50
const FAN_OUT = 51
const SAMPLES = 52
const FORKS = 53
const OUTCOMES = 54
const PROBE = 55
const PROBED = 56
const BROKEN = 57
const WATCH_CALLS = 96
const LIMIT = 97
const GRANT = 98
const BREAKER = 99
const POOL = 112
const POOL_FIGURES = 113
const POOL_LEAK = 114
const POOL_GONE = 115
const POOL_ASK = 116
const POOL_SERVER = 117
const WATCH_POOLS = 120
const POOL_RULE = 121
const POOL_GRANT = 122
const SPAN = 144
const WATCH_SPANS = 145

// In bytes; what is longer is cut.
const FIELD_MAX = 0xffff

/** One frame: u32 length, u8 kind, then per field u16 length and bytes; little-endian. */
function frame (kind, fields) {
  const texts = fields.map(String)
  const lengths = texts.map((text) => Math.min(Buffer.byteLength(text), FIELD_MAX))
  const whole = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 2 + length, 5))
  whole.writeUInt32LE(whole.length - 4)
  let at = whole.writeUInt8(kind, 4)
  texts.forEach((text, index) => {
    at = whole.writeUInt16LE(lengths[index], at)
    // What is cut may end within a character, which `write` would leave out.
    if (lengths[index] === FIELD_MAX) Buffer.from(text).copy(whole, at, 0, FIELD_MAX)
    else whole.write(text, at)
    at += lengths[index]
  })
  return whole
}

/** The first frame of `bytes` as `{ kind, fields, used }`; null while it is not complete. Throws if it never can be. */
function read (bytes) {
  if (bytes.length < 4) return null
  const length = bytes.readUInt32LE(0)
  if (length === 0 || length > LENGTH_MAX) throw malformed(`frame length ${length} is not between 1 and ${LENGTH_MAX}`)
  const end = 4 + length
  if (bytes.length < end) return null
  const fields = []
  for (let at = 5; at < end;) {
    const start = at + 2
    if (start > end || start + bytes.readUInt16LE(at) > end) throw malformed('a field runs over the end of its frame')
    at = start + bytes.readUInt16LE(at)
    fields.push(bytes.toString('utf8', start, at))
  }
  return { kind: bytes[4], fields, used: end }
}

function malformed (message) {
  return Object.assign(new Error(message), { code: 'ERR_PLIMSOLL_FRAME' })
}

/** `addon` is empty where the native half was loaded and has the page, else why not. */
function hello (addon) {
  return frame(HELLO, [VERSION, process.pid, process.version, addon])
}

function listen (server, { kind, host, port, ipv6Only, backlog }, path) {
  return frame(LISTEN, [server, kind, host, port, ipv6Only ? 1 : 0, backlog, path])
}

function close (server) {
  return frame(CLOSE, [server])
}

/** The profile or snapshot has really begun; `heapBytes` is what the heap holds. */
function profileBegan (id, heapBytes) {
  return frame(PROFILE_BEGAN, [id, heapBytes])
}

/** The file is written, or `error` says why not. */
function profiled (id, error) {
  return frame(PROFILED, [id, error])
}

/** A request has written so large a body in one go. */
function largeBody (slot, word, bytes) {
  return frame(LARGE_BODY, [slot, word >>> 0, bytes])
}

/** What the app's framework calls the route of this path. */
function route (method, path, route) {
  return frame(ROUTE, [method, path, route])
}

/** What one request has allocated in the heap. */
function allocated (method, path, bytes) {
  return frame(ALLOCATED, [method, path, bytes])
}

/** Lines of the answer to a question about metrics. */
function metricsPart (id, lines) {
  return frame(METRICS_PART, [id, lines])
}

/** That was all; so many samples and metrics are not in it. */
function metricsEnd (id, leftOut) {
  return frame(METRICS_END, [id, leftOut])
}

/** The first call to an origin is made. */
function origin (number, name) {
  return frame(ORIGIN, [number, name])
}

/** What is wanted of a budget, and had. */
function ask (number, budget, serial, wants, held, stamp) {
  return frame(ASK, [number, budget, serial, wants, held, stamp])
}

/** What was seen of the calls to an origin. */
function calls (number, figures) {
  return frame(CALL_FIGURES, [number, figures.join(' ')])
}

/** A client's request makes so many calls to an origin in parallel. */
function fanOut (number, slot, word, calls) {
  return frame(FAN_OUT, [number, slot, word >>> 0, calls])
}

/** A call of a client's request was refused, because the breaker is open. */
function broken (number, slot, word) {
  return frame(BROKEN, [number, slot, word >>> 0])
}

/** How long calls took, for a limit that is found out. */
function samples (number, peak, tookUs) {
  return frame(SAMPLES, [number, peak, tookUs.join(' ')])
}

/** The app forks itself: the calls of its children are not seen. */
function forks () {
  return frame(FORKS, [])
}

/** What became of calls, for a breaker. */
function outcomes (number, { calls, failed, gateway, run, gatewayRun, okAgoMs }) {
  return frame(OUTCOMES, [number, calls, failed, gateway, run, gatewayRun, okAgoMs])
}

/** A call could be tried. */
function probe (number) {
  return frame(PROBE, [number])
}

/** What came of it: `answered`, `failed` or `nothing`. */
function probed (number, what) {
  return frame(PROBED, [number, what])
}

/** What a frame of the supervisor says; null where it is unknown. */
function message ({ kind, fields }) {
  return answer(kind, fields) ?? order(kind, fields) ?? rule(kind, fields) ?? poolRule(kind, fields) ?? watchSpans(kind, fields)
}

function answer (kind, fields) {
  const server = Number(fields[0])
  if (kind === BOUND && fields.length >= 4) {
    return { server, bound: { address: fields[1], family: fields[3], port: Number(fields[2]) } }
  }
  if (kind === REFUSED && fields.length >= 2) return { server, refused: fields[1] }
  return null
}

function order (kind, fields) {
  const id = Number(fields[0])
  if (kind === PROFILE && fields.length >= 5) {
    const [seconds, intervalUs, stallMs] = fields.slice(1, 4).map(Number)
    return { order: 'profile', id, seconds, intervalUs, stallMs, path: fields[4] }
  }
  if (kind === HEAP_SNAPSHOT && fields.length >= 3) {
    return { order: 'heapSnapshot', id, heapBytesMax: Number(fields[1]), path: fields[2] }
  }
  if (kind === STOP_PROFILE && fields.length >= 1) return { order: 'stop', id }
  if (kind === READ_METRICS && fields.length >= 3) {
    return { readMetrics: true, id, bytesMax: Number(fields[1]), app: fields[2] === '1' }
  }
  return null
}

/** What is said of the app's calls. */
function rule (kind, fields) {
  if (kind === WATCH_CALLS && fields.length >= 1) return { watch: true, hold: fields[0] === '1' }
  const origin = Number(fields[0])
  if (kind === LIMIT && fields.length >= 12) {
    const [enforce, concurrency, rate, burst, queue, queueTimeoutMs, perRequest] = fields.slice(1, 8).map(Number)
    const [adaptive, breaker, retryPercent, retryLeast] = fields.slice(8, 12).map(Number)
    const limit = { enforce: enforce === 1, concurrency, rate, burst, queue, queueTimeoutMs, perRequest, adaptive: adaptive === 1, breaker, retryPercent, retryLeast }
    return { origin, limit }
  }
  if (kind === BREAKER && fields.length >= 2) {
    const [, state, forMs = 0, why = ''] = fields
    return { origin, breaker: { state, forMs: Number(forMs), why } }
  }
  if (kind === GRANT && fields.length >= 6) {
    const [serial, amount, stamp, lengthMs] = fields.slice(2, 6).map(Number)
    return { origin, grant: { budget: fields[1], serial, amount, stamp, lengthMs } }
  }
  return null
}

/** What is said of the app's pools. */
function poolRule (kind, fields) {
  if (kind === WATCH_POOLS && fields.length >= 1) return { watchPools: true, hold: fields[0] === '1' }
  const [pool, ...numbers] = fields.map(Number)
  if (kind === POOL_RULE && numbers.length >= 5) {
    const [enforce, mayGrow, inspect, leakAfterMs, waitTimeoutMs] = numbers
    return { pool, rule: { enforce: enforce === 1, mayGrow: mayGrow === 1, inspect: inspect === 1, leakAfterMs, waitTimeoutMs } }
  }
  if (kind === POOL_GRANT && numbers.length >= 4) {
    const [serial, amount, stamp, lengthMs] = numbers
    return { pool, grant: { serial, amount, stamp, lengthMs } }
  }
  return null
}

/** Spans are wanted. */
function watchSpans (kind, fields) {
  if (kind !== WATCH_SPANS || fields.length < 2) return null
  return { spans: { propagates: fields[0] === '1', toldFromMs: Number(fields[1]) } }
}

/** What a traced request has waited for, and how many before it were not told; ids are of sixteen digits, times in microseconds. */
function span (kind, request, id, to, method, path, startUs, tookUs, waitedUs, status, error, untold) {
  return frame(SPAN, [kind, request, id, to, method, path, startUs, tookUs, waitedUs, status, error, untold])
}

/** A pool is used for the first time: what it leads to, its size, whether that can be changed, and whether commands share connections. */
function pool (number, library, server, database, max, isSizeable, isShared) {
  const short = (text) => cut(text.replace(CONTROL, ''), POOLS.NAME_MAX)
  return frame(POOL, [number, short(library), short(server), short(database), max, isSizeable ? 1 : 0, isShared ? 1 : 0])
}

/** What was seen of a pool, in the order of the crate's `Figures`. */
function poolFigures (number, figures) {
  return frame(POOL_FIGURES, [number, figures.join(' ')])
}

/** A connection has been held for so long; where it was taken. */
function poolLeak (number, heldMs, taker) {
  return frame(POOL_LEAK, [number, heldMs, taker])
}

function poolGone (number) {
  return frame(POOL_GONE, [number])
}

function poolAsk (number, serial, wants, held, stamp) {
  return frame(POOL_ASK, [number, serial, wants, held, stamp])
}

/** How many connections a server allows, and has. */
function poolServer (number, limit, open) {
  return frame(POOL_SERVER, [number, limit, open])
}

/** Somebody has asked for async context: how, what a hook is called for, and where. */
function taxAuthor (what, callbacks, stack) {
  return frame(TAX_AUTHOR, [what, callbacks, cut(stack, TAX.STACK_MAX)])
}

/** What is paid for it. */
function taxRate (isOn, callbacks, hasFrame, resources, activeUs) {
  return frame(TAX_RATE, [isOn ? 1 : 0, callbacks, hasFrame ? 1 : 0, resources, activeUs])
}

/** At most so many bytes, and no half character at the end. */
function cut (text, max) {
  const whole = String(text ?? '')
  if (whole.length <= max && Buffer.byteLength(whole) <= max) return whole
  return Buffer.from(whole).subarray(0, max).toString().replace(/\ufffd$/, '')
}

module.exports = {
  cut,
  VERSION,
  ENV_DIRECTORY,
  ENV_HEAP,
  CHANNEL_SOCKET,
  PRESENCE_FILE,
  PEER_HEADER,
  WAITS,
  PAGE_FILE,
  PAGE_MISSING,
  SLOTS,
  SLOT_FIRST,
  STATE_MASK,
  STALL_THRESHOLD,
  STALL_THRESHOLD_DEFAULT,
  PAUSE_THRESHOLD,
  PAUSE_THRESHOLD_DEFAULT,
  SEMI_SPACE_GROWTH,
  MARK,
  CALLS,
  POOLS,
  SPANS,
  METRICS,
  TAX,
  SENT,
  STARTED_STATE,
  STARTED,
  MARKER,
  LENGTH_MAX,
  ROUTE_MAX,
  kinds: {
    HELLO, LISTEN, CLOSE, WATCHDOG, STALLED, RESUMED, BUSY, MEMORY, GLIMPSED, PROFILE_BEGAN, PROFILED, LARGE_BODY, ROUTE, ALLOCATED, BOUND, REFUSED, PROFILE, HEAP_SNAPSHOT, STOP_PROFILE,
    ORIGIN, ASK, CALLS: CALL_FIGURES, FAN_OUT, SAMPLES, FORKS, OUTCOMES, PROBE, PROBED, BROKEN, WATCH_CALLS, LIMIT, GRANT, BREAKER,
    POOL, POOL_FIGURES, POOL_LEAK, POOL_GONE, POOL_ASK, POOL_SERVER, WATCH_POOLS, POOL_RULE, POOL_GRANT,
    METRICS_PART, METRICS_END, READ_METRICS,
    TAX_AUTHOR, TAX_RATE, SPAN, WATCH_SPANS
  },
  frame,
  read,
  hello,
  listen,
  close,
  profileBegan,
  profiled,
  largeBody,
  route,
  allocated,
  origin,
  ask,
  calls,
  fanOut,
  samples,
  forks,
  outcomes,
  probe,
  probed,
  broken,
  pool,
  poolFigures,
  poolLeak,
  poolGone,
  poolAsk,
  poolServer,
  span,
  metricsPart,
  metricsEnd,
  taxAuthor,
  taxRate,
  message
}
