'use strict'
// Stalls an app every 100 ms for as long as is wanted, with the watchdog looking: `node test/soak.js ADDON MINUTES`.
// Fails where the process ends, a stack names another function than the one that stalls, a stall is not told, or
// memory grows. A run of its own, and not one of the tests: those say what is promised, this looks for what is rare.
const fs = require('node:fs')
const path = require('node:path')

process.env.PLIMSOLL_TEST_ADDON = path.resolve(process.argv[2])
const { App, PEER, link, supervisor } = require('./support/index.js')
const { SLOT_FIRST, STALL_THRESHOLD } = require('../js/wire.js')

const PERIOD_MS = 100
const THRESHOLD_MS = 20
const STALL_MS = 60
/** More than a heap varies by. The young generation is kept small for it: V8 lets that grow by up to 32 MB at a time of its own. */
const GROWTH_MAX_KB = 24 * 1024
const FLAGS = ['--max-semi-space-size=1']

/** Five ways to stall for a while; each has its name in the stack, and the last comes after an `await`. */
const APP = `
const over = (end) => Date.now() >= end;
const ways = {
  alpha (end) { while (!over(end)); },
  beta (end) { Array.from({ length: 9 }, (_, i) => -i).sort(function beta (a, b) { while (!over(end)); return a - b }); },
  gamma (end) { (function gamma (depth) { const kept = [{}, {}]; while (!over(end) && depth > 0) gamma(depth - 1); return kept })(40); },
  async omega () { await null; await new Promise((resolve) => setTimeout(resolve, 1)); const end = Date.now() + ${STALL_MS}; (function omega () { while (!over(end)); })() },
  delta (end) { while (!over(end)) JSON.parse(JSON.stringify({ a: [1, 2, { b: 'c'.repeat(100) }] })); }
};
process.on('uncaughtException', (error) => say(['thrown', String(error.message)]));
http.createServer(async (request, response) => {
  const stalled = ways[request.url.slice(1)](Date.now() + ${STALL_MS});
  if (stalled instanceof Promise) await stalled;
  response.writeHead(200, { 'Content-Length': 2 }).end('hi');
}).listen(3000, () => {
  Error.prepareStackTrace = () => { throw new Error('the app heard of it') };
  say('up');
});
`

const WAYS = ['alpha', 'beta', 'gamma', 'delta', 'omega']

async function soak (t, minutes) {
  const plimsoll = await supervisor(t)
  const file = path.join(plimsoll.directory, 'page')
  const page = fs.readFileSync(file)
  page.writeUInt32LE(THRESHOLD_MS, STALL_THRESHOLD * 4)
  fs.writeFileSync(file, page)
  const app = new App(t, plimsoll, APP, { flags: FLAGS })
  const { path: at } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, at)
  const tally = { stalls: 0, named: 0, unnamed: 0, untold: 0, wrong: [], resident: [] }
  const until = Date.now() + minutes * 60000
  for (let round = 0; Date.now() < until; round++) {
    const began = Date.now()
    const way = WAYS[round % WAYS.length]
    while (plimsoll.notices.length > 0) await plimsoll.notices.next()
    plimsoll.page.send(7)
    const word = (plimsoll.page.words[SLOT_FIRST + 7] + 1) >>> 0
    await one.request({ head: `GET /${way} HTTP/1.1`, peer: `${PEER} 7` })
    judge(await stall(plimsoll.notices, word), way, word, tally)
    tally.resident.push(resident(app.process.pid))
    await pause(Math.max(0, PERIOD_MS - (Date.now() - began)))
  }
  if (app.said.length > 0) throw new Error(`the app noticed: ${JSON.stringify(await app.next())}`)
  return tally
}

/** What is said up to the end of the stall of the request, or until it is clear that nothing will be. */
async function stall (notices, word) {
  const looks = []
  for (const until = Date.now() + 1000; Date.now() < until;) {
    if (notices.length === 0) {
      await pause(2)
      continue
    }
    const notice = await notices.next()
    if (notice.stalled !== undefined) looks.push(notice)
    if (notice.resumed === undefined) continue
    // A stall of something else (the start, a machine that was busy) has no look of this request and is shorter.
    if (looks.some(({ running }) => running?.word === word) || notice.total >= STALL_MS - 10) return looks
    looks.length = 0
  }
  return looks
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function judge (looks, way, word, tally) {
  tally.stalls += 1
  const stacks = looks.filter(({ stack }) => stack !== '').map(({ stack }) => stack)
  if (stacks.some((stack) => stack.includes(`at ${way} (`) || stack.includes(`.${way} (`))) tally.named += 1
  else {
    tally.unnamed += 1
    if (looks.length === 0) tally.untold += 1
  }
  const others = WAYS.filter((other) => other !== way)
  const wrong = stacks.find((stack) => others.some((other) => stack.includes(`at ${other} (`)))
  const foreign = looks.find(({ running }) => running !== null && running.word !== word)
  if (wrong || foreign) tally.wrong.push({ way, stack: wrong ?? foreign })
}

function resident (pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
}

/** The least of the last fifth over the least of the second: what is left after each collection. */
function growth (resident) {
  const fifth = Math.floor(resident.length / 5)
  return Math.min(...resident.slice(-fifth)) - Math.min(...resident.slice(fifth, 2 * fifth))
}

async function main () {
  const ends = []
  const tally = await soak({ after: (end) => ends.unshift(end) }, Number(process.argv[3] ?? 1))
  for (const end of ends) await end()
  const grown = growth(tally.resident)
  console.log(`${process.version}: ${tally.stalls} stalls, ${tally.named} named, ${tally.unnamed} not (${tally.untold} not told), ` +
    `${tally.wrong.length} wrong; memory ${grown >= 0 ? '+' : ''}${grown} KB`)
  if (tally.wrong.length > 0) throw new Error(`a wrong stack: ${JSON.stringify(tally.wrong[0])}`)
  if (tally.unnamed > 2 + tally.stalls / 100) throw new Error('more than one stall in a hundred was not named')
  if (grown > GROWTH_MAX_KB) throw new Error(`memory grew by ${grown} KB`)
}

main().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
