'use strict'
// What observing costs the loop: the agent's own steps, timed one by one as it takes them. The argument is a directory with the
// agent's files and its addon.
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')

const agent = (file) => require(path.join(process.argv[2], file))
const wire = agent('wire.js')
const { MARK } = wire
const ROUNDS = 40
const CALLS = 500

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'plim-observe-'))
const words = new Int32Array(wire.SLOT_FIRST + wire.SLOTS)
words.set([Buffer.from('PLIM').readInt32LE(), wire.VERSION, wire.SLOTS, 1000, 1000])
fs.writeFileSync(path.join(directory, wire.PAGE_FILE), Buffer.from(words.buffer), { mode: 0o600 })
agent('page.js').open(directory)

// Microseconds of a call: the least of the rounds, each of which is the mean of its calls.
function time (step) {
  let least = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.hrtime.bigint()
    for (let call = 0; call < CALLS; call++) step()
    least = Math.min(least, Number(process.hrtime.bigint() - began) / CALLS / 1000)
  }
  return least
}

const server = net.createServer((socket) => socket.resume().on('error', () => {})).listen(path.join(directory, 'sock'), () => {
  const native = agent('addon.js').addon()
  const marks = new Int32Array(native.watch(path.join(directory, 'sock'), 1000, 1000))
  const [memory, churn, tax] = ['memory.js', 'churn.js', 'tax.js'].map(agent)
  for (const module of [churn, tax]) module.watch(() => {})
  memory.begin(marks)
  churn.start(native, marks)
  const request = { method: 'GET', url: '/items?page=1' }
  const link = { slot: 1, word: 5, parser: { incoming: request }, socket: { _httpMessage: { req: request, finished: true } } }
  const weigh = () => {
    Atomics.or(marks, MARK.WANTED, MARK.WEIGH)
    churn.enters(link)
    churn.leaves(link)
  }
  const found = { measure_us: time(() => memory.measure(marks)), weigh_us: time(weigh), read_us: time(native.tellAllocated) }
  console.log(JSON.stringify(found))
  fs.rmSync(directory, { recursive: true, force: true })
  server.close()
  process.exit()
})
