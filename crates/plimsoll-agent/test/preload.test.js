'use strict'
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { App, freePort, supervisor } = require('./support/index.js')

const files = (directory) => fs.readdirSync(directory).sort()

test('a process that never listens leaves its mark and nothing else', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    say(process.getActiveResourcesInfo().filter((name) => !/Pipe/.test(name)));
    say(Object.keys(require.cache).map((file) => require('node:path').basename(file)).sort());
  `)
  assert.deepStrictEqual(await app.next(), [])
  assert.deepStrictEqual(await app.next(), [
    'agent.cjs', 'apart.js', 'app.cjs', 'cluster.js', 'kind.js', 'listen.js', 'loaded.js', 'patch.js', 'preload.js', 'registries.js', 'request.js',
    'tax.js', 'wire.js'
  ])
  assert.deepStrictEqual(await app.exited, { code: 0, signal: null })
  assert.deepStrictEqual(files(plimsoll.directory), ['agent.sock', 'node', 'page'])
  assert.strictEqual(plimsoll.hellos.length, 0)
})

test('a command made of several Node processes has one worker, the first to listen', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const { spawn } = require('node:child_process');
    if (process.argv[2]) {
      http.createServer().listen(3000, () => {
        say(['listens', process.pid, process.env.PLIMSOLL_AGENT_DIR ?? null, 'PLIMSOLL_AGENT_DIR' in process.env]);
        process.stdin.once('data', () => process.exit());
      });
    } else {
      spawn(process.execPath, [__filename, 'child'], { stdio: 'inherit' }).on('exit', () => process.exit());
    }
  `)
  const [, pid, directory, there] = await app.next()
  assert.strictEqual((await plimsoll.hellos.next()).pid, pid)
  assert.deepStrictEqual([directory, there], [null, false])
  app.poke()
  await app.exited
})

test('children of the app are not the worker', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const { spawn } = require('node:child_process');
    const early = process.argv[2] ? null : spawn(process.execPath, [__filename, 'early'], { stdio: ['pipe', 'inherit', 'inherit'] });
    if (process.argv[2]) {
      const server = http.createServer();
      process.stdin.once('data', () => server.on('error', (error) => { say(['child', error.code]); process.exit() })
        .listen(Number(process.env.TEST_PORT), () => { say(['child', server.address().port, server._handle.constructor.name]); process.exit() }));
    } else {
      http.createServer().listen(3000, () => { say(['app']); early.stdin.write('.') });
      early.on('exit', () => {
        const late = spawn(process.execPath, [__filename, 'late'], { stdio: ['pipe', 'inherit', 'inherit'] });
        late.stdin.write('.');
        late.on('exit', () => process.exit());
      });
    }
  `, { env: { TEST_PORT: String(await freePort()) } })
  assert.deepStrictEqual(await app.next(), ['app'])
  for (const which of ['early', 'late']) {
    const [, port, handle] = await app.next()
    assert.deepStrictEqual([typeof port, handle], ['number', 'TCP'], which)
  }
  await app.exited
  assert.strictEqual(plimsoll.hellos.length, 1)
})

test('worker threads keep their servers', async (t) => {
  const plimsoll = await supervisor(t)
  const port = await freePort()
  const app = new App(t, plimsoll, `
    const { Worker } = require('node:worker_threads');
    new Worker(\`
      const server = require('node:http').createServer().listen(${port}, () => {
        require('node:fs').writeSync(1, JSON.stringify([server._handle.constructor.name]) + '\\\\n');
        server.close();
      });
    \`, { eval: true });
  `)
  assert.deepStrictEqual(await app.next(), ['TCP'])
  await app.exited
})

test('ES modules are caught as well', async (t) => {
  const plimsoll = await supervisor(t)
  const directory = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'plim-esm-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))
  const file = path.join(directory, 'app.mjs')
  fs.writeFileSync(file, `
    import { createServer } from 'node:http'
    import { register } from 'node:module'
    register?.('data:text/javascript,export async function resolve (name, context, next) { return next(name, context) }')
    await new Promise((resolve) => createServer().listen({ port: 3000, host: '127.0.0.1' }, resolve))
    console.log('["up"]')
  `)
  const app = new App(t, plimsoll, '', { command: [process.execPath, file] })
  assert.strictEqual((await plimsoll.listens.next()).host, '127.0.0.1')
  assert.deepStrictEqual(await app.next(), ['up'])
})
