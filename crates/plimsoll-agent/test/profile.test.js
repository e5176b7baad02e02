'use strict'
// Profiles and heap snapshots, as a supervisor orders them.
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const wire = require('../js/wire.js')
const { App, supervisor } = require('./support/index.js')

const { PROFILE, HEAP_SNAPSHOT, STOP_PROFILE } = wire.kinds
const LONG = 300
const TEN_MINUTES_MS = 600_000
const ROOM = 2 ** 40

/** An app that listens; `more` runs before. */
async function start (t, more = '', options = {}) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${more}
    const spin = (ms) => { for (const end = Date.now() + ms; Date.now() < end;); };
    process.stdin.on('data', (text) => { spin(Number(text)); say('spun') });
    http.createServer().listen(3000, () => say('up'));
  `, options)
  assert.strictEqual(await app.next(), 'up')
  const file = (name) => path.join(plimsoll.directory, name)
  return { plimsoll, app, file }
}

const mode = (file) => fs.statSync(file).mode & 0o777

test('a profile says what ran, in a file for this user only', async (t) => {
  const { plimsoll, app, file } = await start(t)
  plimsoll.order(PROFILE, [1, 1, 1000, 0, file('p')])
  const { began, heapBytes } = await plimsoll.profiles.next()
  assert.ok(began === 1 && heapBytes > 100_000)
  app.poke('300')
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 1, error: '' })
  const profile = JSON.parse(fs.readFileSync(file('p'), 'utf8'))
  assert.ok(profile.nodes.some(({ callFrame }) => callFrame.functionName === 'spin'))
  assert.strictEqual(profile.samples.length, profile.timeDeltas.length)
  assert.strictEqual(mode(file('p')), 0o600)
})

test('a loop that was compiled while it ran, before the profile began, has its name', async (t) => {
  const { plimsoll, file } = await start(t, `
    function makeText () { let text = ''; for (let i = 0; i < 300000; i++) text += (i * 1.5).toFixed(2); return text.length }
    function work () { JSON.stringify({ toJSON: makeText }); }
    for (const end = Date.now() + 2000; Date.now() < end;) work();
    setInterval(work, 1).unref();
  `)
  plimsoll.order(PROFILE, [1, 1, 1000, 0, file('p')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 1, error: '' })
  const { nodes } = JSON.parse(fs.readFileSync(file('p'), 'utf8'))
  const samples = (name) => nodes.reduce((sum, { callFrame, hitCount }) => callFrame.functionName === name ? sum + hitCount : sum, 0)
  assert.ok(samples('makeText') > samples('work'), `${samples('makeText')} and ${samples('work')}`)
})

test('a second one is refused, and a stopped one writes nothing', async (t) => {
  const { plimsoll, file } = await start(t)
  plimsoll.order(PROFILE, [1, LONG, 1000, 0, file('one')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  plimsoll.order(HEAP_SNAPSHOT, [2, ROOM, file('two')])
  const second = await plimsoll.profiles.next()
  assert.ok(second.over === 2 && second.error.startsWith('another profile'), second.error)
  plimsoll.order(STOP_PROFILE, [2])
  plimsoll.order(STOP_PROFILE, [1])
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 1, error: 'it was stopped' })
  assert.ok(!fs.existsSync(file('one')) && !fs.existsSync(file('two')))
  plimsoll.order(PROFILE, [3, 1, 1000, 0, file('three')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 3)
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 3, error: '' })
})

test('one that was given up while the loop was blocked is not in the way of the next', async (t) => {
  const { plimsoll, app, file } = await start(t)
  app.poke('300')
  plimsoll.order(PROFILE, [1, LONG, 1000, 0, file('one')])
  plimsoll.order(STOP_PROFILE, [1])
  plimsoll.order(PROFILE, [2, 1, 1000, 0, file('two')])
  const heard = []
  while (heard.at(-1)?.over !== 2) heard.push(await plimsoll.profiles.next())
  assert.deepStrictEqual(heard.at(-1), { over: 2, error: '' })
  assert.ok(heard.some(({ over, error }) => over === 1 && error === 'it was stopped'))
  assert.ok(fs.existsSync(file('two')) && !fs.existsSync(file('one')))
})

test('of the windows the one with the stall is kept', async (t) => {
  const { plimsoll, app, file } = await start(t)
  plimsoll.order(PROFILE, [1, 1, 1000, 200, file('p')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  app.poke('20')
  assert.strictEqual(await app.next(), 'spun')
  assert.ok(!fs.existsSync(file('p')))
  app.poke('400')
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 1, error: '' })
  const { nodes } = JSON.parse(fs.readFileSync(file('p'), 'utf8'))
  assert.ok(nodes.some(({ callFrame }) => callFrame.functionName === 'spin'))
})

test('a window begins before the last one ends, so that V8 need not walk through the heap for it', async (t) => {
  const { plimsoll, app, file } = await start(t, `
    const session = new (require('node:inspector').Session)();
    session.connect();
    for (const what of ['Started', 'Finished']) {
      session.on('Profiler.consoleProfile' + what, ({ params }) => say(what + ' ' + params.title));
    }
    session.post('Profiler.enable');
  `)
  plimsoll.order(PROFILE, [7, 1, 1000, 200, file('p')])
  const seen = []
  while (seen.length < 5) seen.push(await app.next())
  const expected = ['Started plimsoll 7.0', 'Started plimsoll 7.1', 'Finished plimsoll 7.0', 'Started plimsoll 7.2', 'Finished plimsoll 7.1']
  assert.deepStrictEqual(seen, expected)
})

test('while one waits for a stall, V8 compiles anew from time to time, and the stall is found all the same', async (t) => {
  const { plimsoll, app, file } = await start(t, `
    const { Session } = require('node:inspector');
    const session = new Session();
    session.connect();
    session.on('Profiler.consoleProfileStarted', ({ params }) => say(params.title));
    session.post('Profiler.enable');
    const { post } = Session.prototype;
    Session.prototype.post = function (method, ...rest) {
      if (method === 'Profiler.startPreciseCoverage') say('compiles anew');
      return post.call(this, method, ...rest);
    };
    const { performance: clock } = require(Object.keys(require.cache).find((file) => file.endsWith('/apart.js')));
    const { now } = clock;
    let later = 0;
    clock.now = () => now() + later;
    process.stdin.once('data', () => { later = ${TEN_MINUTES_MS}; });
  `)
  plimsoll.order(PROFILE, [1, LONG, 1000, 300, file('p')])
  const anew = /^v2[24]\./.test(process.version) ? ['compiles anew'] : []
  const heard = async (expected) => { for (const one of expected) assert.strictEqual(await app.next(), one) }
  await heard([...anew, 'plimsoll 1.0'])
  app.poke('0')
  await heard(['spun', ...anew, 'plimsoll 1.1'])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  let over = null
  const told = plimsoll.profiles.next().then((end) => { over = end })
  do {
    app.poke('500')
    await heard(['spun'])
    // Only what follows a compilation at once may not be seen.
    if (anew.length === 0) await told
  } while (over === null)
  assert.deepStrictEqual(over, { over: 1, error: '' })
  const { nodes } = JSON.parse(fs.readFileSync(file('p'), 'utf8'))
  assert.ok(nodes.some(({ callFrame }) => callFrame.functionName === 'spin'))
})

test('a heap snapshot is one, and is not begun where there is no room', async (t) => {
  const { plimsoll, file } = await start(t)
  plimsoll.order(HEAP_SNAPSHOT, [1, 1000, file('none')])
  const refused = await plimsoll.profiles.next()
  assert.match(refused.error, /its heap holds \d+ MB, and there is room for the snapshot of one of 1 MB/)
  assert.ok(!fs.existsSync(file('none')))
  plimsoll.order(HEAP_SNAPSHOT, [2, ROOM, file('heap')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 2)
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 2, error: '' })
  assert.ok(JSON.parse(fs.readFileSync(file('heap'), 'utf8')).snapshot.meta)
  assert.strictEqual(mode(file('heap')), 0o600)
})

test('a file that cannot be written is an error and nothing worse', async (t) => {
  const { plimsoll, app } = await start(t)
  plimsoll.order(PROFILE, [1, 1, 1000, 0, '/nowhere/p'])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  assert.match((await plimsoll.profiles.next()).error, /ENOENT/)
  plimsoll.order(HEAP_SNAPSHOT, [2, ROOM, '/nowhere/h'])
  assert.match((await plimsoll.profiles.next()).error, /ENOENT/)
  app.poke('1')
  assert.strictEqual(await app.next(), 'spun')
})

test('an app that profiles itself, or is inspected, goes on doing so', async (t) => {
  const own = `
    const session = new (require('node:inspector').Session)();
    session.connect();
    session.post('Profiler.enable');
    session.post('Profiler.start');
    process.stdin.once('data', () => session.post('Profiler.stop', (error, { profile }) => say([String(error), profile.nodes.length > 0])));
  `
  const { plimsoll, app, file } = await start(t, own, { flags: ['--inspect=127.0.0.1:0'] })
  plimsoll.order(PROFILE, [1, 1, 1000, 0, file('p')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  assert.deepStrictEqual(await plimsoll.profiles.next(), { over: 1, error: '' })
  app.poke('1')
  assert.deepStrictEqual(await app.next(), ['null', true])
})

test('an app that has nothing left to do ends in the middle of a profile', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const server = http.createServer().listen(3000, () => say('up'));
    process.stdin.once('data', () => { server.close(); process.stdin.destroy() });
  `)
  assert.strictEqual(await app.next(), 'up')
  plimsoll.order(PROFILE, [1, LONG, 1000, 50, path.join(plimsoll.directory, 'p')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  app.poke()
  assert.deepStrictEqual(await app.exited, { code: 0, signal: null })
})

test('nothing of it is loaded before it is asked for', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const loaded = () => Object.keys(require.cache).some((file) => file.endsWith('/profile.js'));
    process.stdin.on('data', () => say([loaded()]));
    http.createServer().listen(3000, () => say([loaded()]));
  `)
  assert.deepStrictEqual(await app.next(), [false])
  plimsoll.order(PROFILE, [1, LONG, 1000, 0, path.join(plimsoll.directory, 'p')])
  assert.strictEqual((await plimsoll.profiles.next()).began, 1)
  app.poke()
  assert.deepStrictEqual(await app.next(), [true])
})
