'use strict'
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { SLOT_FIRST, VERSION } = require('../js/wire.js')

/**
 * What blocks a loop until the test has seen what it wants: on a busy machine the watchdog comes when it can, and a block of
 * a given length may be over by then.
 */
const HELD = `
const RELEASE = require('node:path').join(__dirname, 'release');
const held = () => {
  if (!require('node:fs').existsSync(RELEASE)) return true;
  require('node:fs').unlinkSync(RELEASE);
  return false;
};
`

/** Each way to block a loop is a route. */
const WAYS = `${HELD}
const crypto = require('node:crypto'), fs = require('node:fs');
const text = JSON.stringify(Array.from({ length: 60000 }, (_, id) => ({ id, name: 'x'.repeat(40), tags: ['a', 'b'] })));
const ways = {
  whileLoop () { while (held()); },
  part () { for (const end = Date.now() + 50; Date.now() < end;); },
  timed () { for (const end = Date.now() + 300; Date.now() < end;); },
  comparator () { let on = true; Array.from({ length: 20 }, (_, i) => -i).sort(function compare (a, b) { while (on) on = held(); return a - b }); },
  regex () { /^(a+)+$/.test('a'.repeat(24) + '!'); },
  pbkdf2 () { crypto.pbkdf2Sync('a', 'b', 900000, 64, 'sha512'); },
  parse () { let n = 0; for (let i = 0; i < 8; i++) n += JSON.parse(text).length; return n; },
  sync () { while (held()) fs.readFileSync(__filename); },
  microtasks () { (async function storm () { while (held()) await null; })(); },
  collector () {
    let keep = [];
    const make = (depth) => depth === 0 ? { a: 1 } : [make(depth - 1), make(depth - 1)];
    for (let i = 0; i < 1000 || held(); i++, keep.push(make(8))) if (keep.length > 2000) keep = [];
  }
};
`

const SERVER = `
http.createServer((request, response) => {
  const way = request.url.slice(1);
  try { ways[way]?.() } finally { if (!response.headersSent) response.writeHead(200, { 'Content-Length': 2 }).end('hi') }
}).listen(3000, () => say('up'));
`

async function start (t, source = WAYS + SERVER, options = {}) {
  const plimsoll = await supervisor(t)
  options.before?.(plimsoll)
  const app = new App(t, plimsoll, source, options)
  const { path } = await plimsoll.listens.next()
  assert.strictEqual(await app.next(), 'up')
  return { app, path, plimsoll, page: plimsoll.page, notices: plimsoll.notices }
}

/** Sends a request by slot 7; gives the word that it is claimed with. */
function send ({ page, path }, t, url, extra = {}) {
  page.send(7)
  const word = (page.words[SLOT_FIRST + 7] + 1) >>> 0
  const one = link(t, path)
  return { word, one, answer: one.request({ head: `GET ${url} HTTP/1.1`, peer: `${PEER} 7`, ...extra }) }
}

/** All that is said up to what `last` wants. */
async function hear ({ notices }, last) {
  const heard = []
  while (heard.length === 0 || !last(heard.at(-1))) heard.push(await notices.next())
  return heard
}

const isResumed = (notice) => notice.resumed !== undefined
const isBusy = (notice) => notice.busy !== undefined

/**
 * What is said of one stall that `counts`. What holds the loop is let go when a look that counts has been told. A process
 * that waits for a processor is a stall too, of nothing: those are passed over.
 */
async function stall (running, counts = ({ stack }) => stack !== '') {
  for (;;) {
    const looks = []
    for (;;) {
      const [notice] = (await hear(running, (notice) => notice.stalled !== undefined || isResumed(notice))).slice(-1)
      if (isResumed(notice)) {
        const stacks = looks.map((look) => look.stack).join('\n')
        if (looks.some(counts)) return { looks, stacks, resumed: notice }
        break
      }
      looks.push(notice)
      if (looks.filter(counts).length === 1 && counts(notice)) release(running)
    }
  }
}

const release = ({ app }) => fs.writeFileSync(path.join(app.directory, 'release'), '')

const NAMES = {
  whileLoop: /at (Object\.|ways\.)?whileLoop \(/,
  comparator: /at compare \(/,
  regex: /at regex \(/,
  sync: /at sync \(/,
  collector: /at make \(/,
  pbkdf2: /pbkdf2/
}

// The requests that the looks named. On a busy machine a look may come just after the request's part has ended: it
// names none, and never another.
function named (looks) {
  const all = looks.filter(({ running }) => running !== null).map(({ running }) => JSON.stringify(running))
  return [...new Set(all)].map((text) => JSON.parse(text))
}

test('the watchdog introduces itself', async (t) => {
  const running = await start(t)
  assert.deepStrictEqual(await running.notices.next(), { version: VERSION, watchdog: running.app.process.pid })
})

for (const [way, name] of Object.entries(NAMES)) {
  test(`a stall is told while it lasts, with what stands in it: ${way}`, async (t) => {
    const running = await start(t)
    const { word, answer } = send(running, t, `/${way}`)
    // A look may fall into what holds the loop for the test.
    const { looks, resumed } = await stall(running, ({ stack }) => name.test(stack))
    assert.ok(looks.every(({ stack }) => Buffer.byteLength(stack) <= 8192))
    assert.deepStrictEqual(named(looks), [{ slot: 7, word }])
    assert.ok(looks[0].at >= 100 && looks[0].at <= resumed.total, JSON.stringify([looks[0], resumed]))
    assert.ok(looks.every((look) => look.stalled === resumed.resumed))
    assert.ok(resumed.cpu <= resumed.total && resumed.gc <= resumed.total)
    if (way === 'collector') assert.ok(resumed.gc > 0)
    assert.strictEqual((await answer).status, 200)
  })
}

test('native code as the last call is told by its duration and its request', async (t) => {
  const running = await start(t)
  const { word, answer } = send(running, t, '/parse')
  const { looks, resumed } = await stall(running, (look) => look.running !== null)
  assert.ok(resumed.total >= 100)
  assert.deepStrictEqual(named(looks), [{ slot: 7, word }])
  await answer
})

test('a storm of microtasks is a stall of no known request', async (t) => {
  const running = await start(t)
  const { answer } = send(running, t, '/microtasks')
  const { looks, resumed } = await stall(running, () => true)
  assert.ok(resumed.total >= 100)
  for (const look of looks) assert.strictEqual(look.running, null)
  await answer
})

test('a part of a request that takes long is told, below the threshold too', async (t) => {
  const running = await start(t)
  const { word, answer } = send(running, t, '/part')
  const heard = await hear(running, isBusy)
  const { busy, ...of } = heard.at(-1)
  assert.deepStrictEqual(of, { slot: 7, word })
  assert.ok(busy >= 40, String(busy))
  await answer
})

test('a part that is long and no stall is looked at, and it is told what stands there', async (t) => {
  const running = await start(t)
  for (;;) {
    // On a busy machine a part is over before it is looked at, or has become a stall: then there is a next one.
    const { word, one, answer } = send(running, t, '/part')
    const heard = await hear(running, (notice) => isBusy(notice) && notice.word === word)
    await answer
    one.close?.()
    const glimpsed = heard.find((notice) => notice.glimpsed)
    if (glimpsed === undefined) continue
    const { glimpsed: stack, ...of } = glimpsed
    assert.deepStrictEqual(of, { slot: 7, word, late: false })
    assert.match(stack, /at (Object\.|ways\.)?part \(/)
    assert.ok(Buffer.byteLength(stack) <= 8192)
    return
  }
})

const BODIES = `${HELD}
http.createServer((request, response) => {
  let body = '';
  request.on('data', (bytes) => { body += bytes; if (request.url === '/data') block() });
  request.on('end', () => { if (request.url === '/end') block(); response.writeHead(200, { 'Content-Length': 2 }).end('hi') });
  if (request.url === '/timer') setTimeout(block, 30);
}).listen(3000, () => say('up'));
function block () { while (held()); }
`

test('the listeners of a body belong to its request, and a timer to none', async (t) => {
  const running = await start(t, BODIES)
  for (const [url, isKnown] of [['/data', true], ['/end', true], ['/timer', false]]) {
    const { word, one, answer } = send(running, t, url, {
      head: `POST ${url} HTTP/1.1`,
      headers: ['Host: a', 'Content-Length: 4'],
      body: 'body'
    })
    const { looks, stacks } = await stall(running)
    assert.match(stacks, /at block \(/)
    assert.deepStrictEqual(named(looks), isKnown ? [{ slot: 7, word }] : [], url)
    await answer
    one.close()
  }
})

const AFTER = `${HELD}
const { AsyncLocalStorage } = require('node:async_hooks');
const own = new AsyncLocalStorage();
const wait = () => new Promise((resolve) => setTimeout(resolve, 2));
const answer = async (request, response) => {
  await wait();
  if (request.url === '/block') while (held());
  if (request.url === '/part') for (const end = Date.now() + 60; Date.now() < end;);
  response.writeHead(200, { 'Content-Length': 2 }).end('hi');
};
`
const PLAIN = AFTER + "http.createServer(answer).listen(3000, () => say('up'));"
const STORED = AFTER + "http.createServer((...both) => own.run({}, answer, ...both)).listen(3000, () => say('up'));"
const HAS_CONTEXT_FRAME = Number(process.versions.node.split('.')[0]) >= 24

for (const [what, source, isFollowed] of [
  ['keeps no context', PLAIN, HAS_CONTEXT_FRAME], ['keeps one itself', STORED, true]
]) {
  test(`after an await the request is known by its answer, then by its context where that is free: an app that ${what}`, async (t) => {
    const running = await start(t, source)
    const first = send(running, t, '/block')
    const { looks, resumed } = await stall(running)
    assert.deepStrictEqual(named(looks), [])
    assert.deepStrictEqual(resumed.answered, { slot: 7, word: first.word })
    await first.answer
    first.one.close()
    const second = send(running, t, '/block')
    const again = await stall(running)
    const request = { slot: 7, word: second.word }
    assert.deepStrictEqual(named(again.looks), isFollowed ? [request] : [])
    assert.deepStrictEqual(again.resumed.answered, isFollowed ? null : request)
    await second.answer
  })

  test(`what runs after an await counts for its request: an app that ${what}`, async (t) => {
    const running = await start(t, source)
    for (let round = 0; round < 3; round++) {
      const { word, one, answer } = send(running, t, '/part')
      const { busy, ...of } = (await hear(running, isBusy)).at(-1)
      assert.deepStrictEqual(of, { slot: 7, word })
      assert.ok(busy >= 40, String(busy))
      await answer
      one.close()
    }
  })
}

const CUSTOM = {
  'replaces Error.prepareStackTrace': "Error.prepareStackTrace = () => { say('ran'); throw new Error('no') };",
  'has no stack traces': 'Error.stackTraceLimit = 0;',
  'makes both unchangeable': "Object.defineProperty(Error, 'prepareStackTrace', { get () { throw new Error('no') } }); Object.freeze(Error);"
}

for (const [what, line] of Object.entries(CUSTOM)) {
  test(`the stack is told of an app that ${what}, and the app does not notice`, async (t) => {
    const source = WAYS + SERVER.replace("say('up')", `{ say('up'); ${line} }`)
    const running = await start(t, source)
    const { answer } = send(running, t, '/whileLoop')
    assert.match((await stall(running)).stacks, NAMES.whileLoop)
    assert.strictEqual((await answer).status, 200)
    assert.strictEqual(running.app.said.length, 0)
  })
}

test('a process that exits in a stall exits as it would have', async (t) => {
  const source = HELD + 'const block = () => { while (held()); }; const late = () => { for (const end = Date.now() + 150; Date.now() < end;); };' +
    "http.createServer((request) => { block(); if (request.url === '/throw') throw new Error('boom'); process.on('exit', late); process.exit(7) }).listen(3000, () => say('up'));"
  for (const [url, expected] of [['/exit', 7], ['/throw', 1]]) {
    const running = await start(t, source)
    const { answer } = send(running, t, url)
    answer.catch(() => {})
    const heard = await hear(running, (notice) => notice.stack)
    assert.match(heard.at(-1).stack, /at block \(/)
    release(running)
    assert.deepStrictEqual(await running.app.exited, { code: expected, signal: null }, running.app.errors)
    assert.strictEqual(/boom/.test(running.app.errors), url === '/throw')
  }
})

test('an app that has nothing left to do ends, with the watchdog and in a stall', async (t) => {
  const source = `const server = http.createServer().listen(3000, () => say('up'));
    process.stdin.once('data', () => { server.close(); process.stdin.destroy(); process.on('beforeExit', () => { for (const end = Date.now() + 150; Date.now() < end;); }) });`
  const running = await start(t, source)
  running.app.poke()
  assert.deepStrictEqual(await running.app.exited, { code: 0, signal: null }, running.app.errors)
})

test('a body can be read by an object that inherits from its request', async (t) => {
  const running = await start(t, `
    http.createServer((request, response) => {
      let text = ''
      const heir = Object.create(Object.create(request))
      heir.on('data', (part) => { text += part }).on('end', () => response.writeHead(200, { 'Content-Length': text.length }).end(text))
    }).listen(3000, () => say('up'))
  `)
  const { answer } = send(running, t, '/', { head: 'POST / HTTP/1.1', headers: ['Host: a', 'Content-Length: 4'], body: 'body' })
  assert.strictEqual((await answer).body, 'body')
})

test('an exception of the stalled code is the app’s, and the next stall is told', async (t) => {
  const source = WAYS + "process.on('uncaughtException', (error) => say(error.message));" +
    SERVER.replace('ways[way]?.()', "ways[way]?.(); if (way === 'whileLoop') throw new Error('boom')")
  const running = await start(t, source)
  for (let round = 0; round < 2; round++) {
    const { one, answer } = send(running, t, '/whileLoop')
    assert.match((await stall(running)).stacks, NAMES.whileLoop)
    assert.strictEqual(await running.app.next(), 'boom')
    await answer
    one.close()
  }
})

test('a supervisor that is gone costs the app nothing', async (t) => {
  const running = await start(t, WAYS + "process.on('SIGTERM', () => say('term'));" + SERVER)
  await running.notices.next()
  running.plimsoll.die()
  assert.strictEqual(await running.app.next(), 'term')
  const { answer } = send(running, t, '/timed')
  assert.strictEqual((await answer).status, 200)
})

test('the threshold is the page’s', async (t) => {
  const running = await start(t, undefined, { before: ({ directory }) => {
    const file = path.join(directory, 'page')
    const bytes = fs.readFileSync(file)
    bytes.writeUInt32LE(200, 12)
    fs.writeFileSync(file, bytes)
  } })
  const { answer } = send(running, t, '/whileLoop')
  assert.ok((await stall(running)).looks[0].at >= 200)
  await answer
})

/** Times that the watchdog's thread was on a processor. */
function switches (pid) {
  for (const id of fs.readdirSync(`/proc/${pid}/task`)) {
    const status = fs.readFileSync(`/proc/${pid}/task/${id}/status`, 'utf8')
    if (/^Name:\s+plimsoll-watch$/m.test(status)) return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)[1])
  }
  return null
}

test('the watchdog sleeps while nothing is in flight, and a claim wakes it', async (t) => {
  const running = await start(t)
  const { pid } = running.app.process
  let before = -1
  // It sleeps once it has not been on a processor for many of its ticks.
  for (let now = switches(pid); now !== before; now = switches(pid)) {
    before = now
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  const { answer } = send(running, t, '/whileLoop')
  assert.match((await stall(running)).stacks, NAMES.whileLoop)
  await answer
})

test('without the native half the app is served, and nothing is said of its stalls', async (t) => {
  const running = await start(t, undefined, { addon: false })
  const { answer } = send(running, t, '/timed', { peer: PEER })
  assert.strictEqual((await answer).status, 200)
  assert.strictEqual(running.notices.length, 0)
})
