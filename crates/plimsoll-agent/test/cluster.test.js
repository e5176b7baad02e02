'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const fs = require('node:fs')
const path = require('node:path')
const { App, PEER, freePort, link, supervisor } = require('./support/index.js')

const CLUSTER = `
const cluster = require('node:cluster');
const handler = (request, response) => response.end(JSON.stringify([process.pid, request.socket.remoteAddress, request.rawHeaders.length]));
const children = (count) => { for (let index = 0; index < count; index++) cluster.fork() };
`

test('an app that forks itself listens once, and its children share the links', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${CLUSTER}
    if (cluster.isPrimary) {
      children(2);
      cluster.on('listening', (worker, info) => say([info]));
    } else {
      const server = http.createServer(handler).listen(3000, '127.0.0.1', () => say([server.address(), server.listening]));
    }
  `)
  const asked = await plimsoll.listens.next()
  assert.deepStrictEqual([asked.kind, asked.host, asked.port], ['http', '127.0.0.1', 3000])
  assert.strictEqual((await plimsoll.hellos.next()).pid, app.process.pid)
  assert.ok(await plimsoll.forks.next())
  const said = [await app.next(), await app.next(), await app.next(), await app.next()].map(([value]) => value)
  assert.deepStrictEqual(said.filter((info) => info.addressType), Array(2).fill({ addressType: 4, address: '127.0.0.1', port: 3000 }))
  assert.deepStrictEqual(said.filter((info) => info.family), Array(2).fill({ address: '127.0.0.1', family: 'IPv4', port: 3000 }))
  const pids = new Set()
  for (let count = 0; count < 4; count++) {
    const one = link(t, asked.path)
    for (let again = 0; again < 2; again++) {
      const [pid, address, length] = JSON.parse((await one.request()).body)
      pids.add(pid)
      assert.deepStrictEqual([address, length], ['203.0.113.7', 2])
    }
  }
  assert.strictEqual(pids.size, 2)
  assert.strictEqual(plimsoll.listens.length, 0)
})

test('a child that is forked later takes its share', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${CLUSTER}
    if (cluster.isPrimary) {
      children(1);
      cluster.once('exit', () => { say(['exit']); children(1) });
    } else {
      http.createServer(handler).listen(3000, () => say(['up', process.pid]));
    }
  `)
  const { path } = await plimsoll.listens.next()
  const [, first] = await app.next()
  process.kill(first, 'SIGKILL')
  assert.deepStrictEqual(await app.next(), ['exit'])
  const { server } = await plimsoll.listens.next()
  assert.strictEqual(await plimsoll.closes.next(), server - 1)
  const [, second] = await app.next()
  assert.notStrictEqual(second, first)
  assert.ok(path)
})

test('a refusal reaches the children as the error of plain Node', async (t) => {
  const source = (port) => `${CLUSTER}
    if (cluster.isPrimary) children(1);
    else http.createServer(handler).listen(${port}).on('error', (error) => { say([failure(error)]); process.exit() });
  `
  const taken = require('node:net').createServer()
  t.after(() => taken.close())
  await new Promise((resolve) => taken.listen(0, resolve))
  const { port } = taken.address()
  const plain = new App(t, null, source(port))
  const plimsoll = await supervisor(t, () => ({ code: 'EADDRINUSE' }))
  assert.deepStrictEqual(await new App(t, plimsoll, source(port)).next(), await plain.next())
})

test('a primary with a server of its own, and children with one port each', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${CLUSTER}
    if (cluster.isPrimary) http.createServer(handler).listen(3000, () => { say(['primary']); children(1) });
    else http.createServer(handler).listen(3001, () => say(['child']));
  `)
  assert.deepStrictEqual(await app.next(), ['primary'])
  assert.deepStrictEqual(await app.next(), ['child'])
  assert.deepStrictEqual([(await plimsoll.listens.next()).port, (await plimsoll.listens.next()).port], [3000, 3001])
  assert.strictEqual(plimsoll.hellos.length, 1)
})

test('children that want a port for themselves, or no scheduling, get it from Node', async (t) => {
  for (const [exclusive, env] of [[true, {}], [false, { NODE_CLUSTER_SCHED_POLICY: 'none' }]]) {
    const plimsoll = await supervisor(t)
    const port = await freePort()
    const app = new App(t, plimsoll, `${CLUSTER}
      if (cluster.isPrimary) children(1);
      else {
        const server = http.createServer(handler);
        server.listen({ port: ${port}, exclusive: ${exclusive} }, () => say([server._handle.constructor.name, server.address().port]));
      }
    `, { env })
    assert.deepStrictEqual(await app.next(), ['TCP', port])
    assert.strictEqual(plimsoll.hellos.length, 0)
  }
})

test('without a supervisor the primary listens for its children', async (t) => {
  const plimsoll = await supervisor(t)
  plimsoll.die()
  const port = await freePort()
  const app = new App(t, plimsoll, `${CLUSTER}
    if (cluster.isPrimary) children(1);
    else {
      const server = http.createServer(handler).listen(${port}, () => {
        http.get({ port: ${port}, agent: false }, (response) => say([response.statusCode, server.address().port, server.keepAliveTimeout]));
      });
    }
  `)
  assert.deepStrictEqual(await app.next(), [200, port, 5000])
})

test('children claim what they run', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${CLUSTER}
    if (cluster.isPrimary) children(2);
    else http.createServer(handler).listen(3000, () => say(['up']));
  `)
  const { path: at } = await plimsoll.listens.next()
  assert.strictEqual((await plimsoll.hellos.next()).addon, '')
  await app.next()
  await app.next()
  const pids = new Set()
  for (let slot = 0; slot < 4; slot++) {
    const one = link(t, at)
    plimsoll.page.send(slot)
    plimsoll.page.revoke(slot)
    assert.strictEqual((await one.request({ peer: `${PEER} ${slot}` })).status, 599)
    plimsoll.page.send(slot)
    const { status, body } = await one.request()
    assert.deepStrictEqual([status, plimsoll.page.revoke(slot)], [200, false])
    pids.add(JSON.parse(body)[0])
  }
  assert.strictEqual(pids.size, 2)
})

test('where the children cannot claim, the primary says so', async (t) => {
  const plimsoll = await supervisor(t)
  const page = path.join(plimsoll.directory, 'page')
  fs.renameSync(page, `${page}.later`)
  const app = new App(t, plimsoll, `${CLUSTER}
    const page = ${JSON.stringify(page)}, fs = require('node:fs');
    if (cluster.isPrimary) {
      children(1);
      cluster.once('online', (worker) => worker.once('message', () => { fs.renameSync(page + '.later', page); worker.send('.') }));
    } else {
      process.once('message', () => http.createServer(handler).listen(3000, () => say(['up'])));
      require(require('node:path').join(process.env.AGENT, 'page.js')).open(process.env.PLIMSOLL_AGENT_DIR);
      process.send('.');
    }
  `, { env: { AGENT: require('./support/index.js').agent() } })
  const { path: at } = await plimsoll.listens.next()
  assert.match((await plimsoll.hellos.next()).addon, /^page: .*node:cluster/)
  await app.next()
  assert.strictEqual((await link(t, at).request()).status, 200)
  await assert.rejects(link(t, at).request({ peer: `${PEER} 0` }), /the link was closed/)
})
