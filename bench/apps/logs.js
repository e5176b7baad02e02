'use strict'

// An app that logs as it is told: by whom, how much, and how fast. Lines are of 200 bytes, as pino writes them.
// GET /block?lines=N      N lines in blocks of 64 KB, as fast as they are taken
// GET /each?lines=N       N lines with a write each, as loggers write them
// GET /cpu?kind=K&lines=N N lines by console, pino or pino-async, in slices; the CPU that took
// GET /rate?kind=K&lines=N N lines a second from now on
// GET /burst?lines=N&seconds=S  N lines a second, five of each request, one in 5,000 an error
// GET /exit?bytes=N       so many bytes by console.log, and process.exit()
const fs = require('node:fs')
const { createServer } = require('node:http')

// As a literal in a source, in one piece: what `padEnd` puts together stays in two, or becomes one, as collections happen to come by
// while it is young, and pino is 3 % slower or faster for the life of the process.
const whole = (text) => Buffer.from(text).toString()
const LINE = whole('{"level":30,"time":1795400000000,"pid":4242,"hostname":"pod-7f9c","reqId":"req-1","route":"/users/:id","ms":12,"msg":"'.padEnd(197, '.') + '"}')
const TEXT = whole('request completed'.padEnd(100, '.'))
const wait = new Int32Array(new SharedArrayBuffer(4))

function writeAll (text) {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(1, bytes, at)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      Atomics.wait(wait, 0, 0, 1)
    }
  }
}

// Of each kind: what logs a line, and what calls back when all lines have been written.
const loggers = {
  console: () => ({
    log: () => console.log(LINE),
    written: (done) => process.stdout.write('', done)
  }),
  pino: () => {
    const log = require(process.env.PINO)()
    return { log: () => log.info(TEXT), written: (done) => done() }
  },
  'pino-async': () => {
    const pino = require(process.env.PINO)
    const destination = pino.destination({ sync: false })
    const log = pino(destination)
    return { log: () => log.info(TEXT), written: (done) => destination._writing ? destination.once('drain', done) : done() }
  }
}
const made = {}
const logger = (kind) => (made[kind] ??= loggers[kind]())

function block (lines, done) {
  const count = Math.floor(65536 / (LINE.length + 1))
  const text = (LINE + '\n').repeat(count)
  const turn = () => {
    for (let i = 0; i < 16 && lines > 0; i++, lines -= count) writeAll(lines >= count ? text : (LINE + '\n').repeat(lines))
    lines > 0 ? setImmediate(turn) : done('done')
  }
  turn()
}

function each (lines, done) {
  const line = Buffer.from(LINE + '\n')
  const turn = () => {
    for (let i = 0; i < 2000 && lines > 0; i++, lines--) writeAll(line)
    lines > 0 ? setImmediate(turn) : done('done')
  }
  turn()
}

function cpu (kind, lines, done) {
  const { log, written } = logger(kind)
  const before = process.cpuUsage()
  const turn = () => {
    for (let i = 0; i < 500; i++) log()
    lines -= 500
    if (lines > 0) return setImmediate(turn)
    written(() => {
      const { user, system } = process.cpuUsage(before)
      done(String(user + system))
    })
  }
  turn()
}

let timer
function rate (kind, lines) {
  clearInterval(timer)
  if (!lines) return
  const { log } = logger(kind)
  const start = process.hrtime.bigint()
  let written = 0
  timer = setInterval(() => {
    const due = Math.min(Number(process.hrtime.bigint() - start) / 1e9 * lines - written, lines / 10)
    for (let i = 0; i < due; i++, written++) log()
  }, 5)
}

function burst (lines, seconds, done) {
  const start = Date.now()
  let written = 0
  let errors = 0
  const turn = () => {
    const passed = (Date.now() - start) / 1000
    const due = Math.min(passed, seconds) * lines
    let text = ''
    for (; written < due; written++) {
      const isError = written % 5000 === 4999
      errors += isError
      text += `{"level":${isError ? 50 : 30},"at":${Date.now() - start},"reqId":"req-${Math.floor(written / 5)}","msg":"${isError ? 'failed' : 'request completed'}","pad":"${'.'.repeat(100)}"}\n`
    }
    if (text) process.stdout.write(text)
    if (passed < seconds) return setTimeout(turn, 2)
    process.stdout.write('', () => done(JSON.stringify({ written, errors })))
  }
  turn()
}

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app')
  const kind = searchParams.get('kind') ?? 'console'
  const number = (name) => Number(searchParams.get(name) ?? 0)
  const done = (text) => response.setHeader('content-length', Buffer.byteLength(text)).end(text)
  if (pathname === '/block') return block(number('lines'), done)
  if (pathname === '/each') return each(number('lines'), done)
  if (pathname === '/cpu') return cpu(kind, number('lines'), done)
  if (pathname === '/burst') return burst(number('lines'), number('seconds'), done)
  if (pathname === '/rate') rate(kind, number('lines'))
  if (pathname === '/exit') {
    for (let at = 0; at < number('bytes'); at += 100) console.log('x'.repeat(99))
    process.exit(0)
  }
  done('ok')
}).listen(process.env.PORT)
