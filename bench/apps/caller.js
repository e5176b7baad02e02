'use strict'

// Makes calls for `cargo xtask bench downstream`: `GET /run?calls=N&by=http` makes N calls to SERVICE_URL, sixteen at a
// time, and answers with the CPU time that the thread of the event loop took for each, in microseconds. With `plain` the calls go past
// whatever looks at them: by Node's own functions, kept aside before anybody could replace them.

const { readFileSync } = require('node:fs')
const http = require('node:http')

const SERVICE = process.env.SERVICE_URL
const AT_ONCE = 16
// After a change of the functions, before it is measured.
const WARM_UP = 320

const agentOf = () => new http.Agent({ keepAlive: true, maxSockets: AT_ONCE })
const agents = { true: agentOf(), false: agentOf() }
agents.true.addRequest = http.Agent.prototype.addRequest

const byHttp = (plain) => new Promise((resolve, reject) => {
  const agent = agents[plain]
  http.get(SERVICE, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject)
})

// Node makes its dispatcher with the first of the classes of fetch.
void globalThis.Response
const dispatchers = ['.1', '.2'].map((end) => globalThis[Symbol.for(`undici.globalDispatcher${end}`)]).filter(Boolean)
const bases = new Map(dispatchers.map(baseOf).filter(Boolean).map((base) => [base, { plain: base.dispatch, seen: null }]))

function baseOf (dispatcher) {
  for (let prototype = dispatcher; prototype; prototype = Object.getPrototypeOf(prototype)) {
    if (prototype.constructor?.name === 'DispatcherBase' && Object.hasOwn(prototype, 'dispatch')) return prototype
  }
  return null
}

const ways = {
  http: byHttp,
  fetch: async () => (await fetch(SERVICE)).text()
}

/** The calls of fetch go past, or not. */
async function turn (plain) {
  // The first call is what has the functions replaced.
  await (await fetch(SERVICE)).text()
  for (const [base, both] of bases) {
    both.seen ??= base.dispatch
    base.dispatch = plain ? both.plain : both.seen
  }
}

async function make (calls, call, plain) {
  const line = async () => { for (let made = 0; made < calls / AT_ONCE; made++) await call(plain) }
  await Promise.all(Array.from({ length: AT_ONCE }, line))
}

async function run (calls, by, plain) {
  if (by === 'fetch') await turn(plain)
  await make(WARM_UP, ways[by], plain)
  // So that each slice meets as many collections as any other. Not a whole one: it takes what the engine has learned of the
  // functions as well, and a slice would measure how they are compiled again.
  global.gc?.({ type: 'minor' })
  const before = onCpuUs()
  await make(calls, ways[by], plain)
  return (onCpuUs() - before) / calls
}

/** Of this thread: those that collect and compile beside it come and go at times of their own. */
function onCpuUs () {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ', 1)[0]) / 1000
}

http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://bench')
  const by = searchParams.get('by')
  if (!ways[by]) return response.end('')
  run(Number(searchParams.get('calls')), by, searchParams.has('plain')).then((us) => {
    const text = String(us)
    response.setHeader('content-length', text.length)
    response.end(text)
  }, (error) => response.writeHead(500).end(String(error)))
}).listen(Number(process.env.PORT), '127.0.0.1')
