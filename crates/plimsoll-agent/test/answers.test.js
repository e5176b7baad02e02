'use strict'
const assert = require('node:assert')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { SLOT_FIRST } = require('../js/wire.js')

async function start (t, handler) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `http.createServer(${handler}).listen(3000, () => say('up'))`)
  const { path } = await plimsoll.listens.next()
  assert.strictEqual(await app.next(), 'up')
  return { plimsoll, page: plimsoll.page, path, app }
}

/** Sends a request by slot 7; gives its answer and the word that it is claimed with. */
async function send ({ page }, one, url) {
  page.send(7)
  const word = (page.words[SLOT_FIRST + 7] + 1) >>> 0
  const answer = await one.request({ head: `GET ${url} HTTP/1.1`, peer: `${PEER} 7` })
  return { answer, word }
}

const LARGE = `(request, response) => {
  const body = 'x'.repeat(Number(request.url.slice(2)));
  response.setHeader('Content-Length', body.length);
  if (request.url[1] === 'w') { response.write(body); response.end() } else response.end(body)
}`

test('a large body that is written in one go is told, with its request', async (t) => {
  const app = await start(t, LARGE)
  const one = link(t, app.path)
  await send(app, one, '/e1000000')
  const large = await send(app, one, '/e1500000')
  assert.strictEqual(large.answer.body.length, 1500000)
  assert.deepStrictEqual(await app.plimsoll.answers.next(), { slot: 7, word: large.word, bytes: 1500000 })
})

test('it is told however it is written, and a burst is told in part', async (t) => {
  const app = await start(t, LARGE)
  const one = link(t, app.path)
  const large = await send(app, one, '/w1500000')
  assert.deepStrictEqual(await app.plimsoll.answers.next(), { slot: 7, word: large.word, bytes: 1500000 })
})

// Express puts `route` and `baseUrl` on the request, and keeps `originalUrl`.
const EXPRESS = `(request, response) => {
  const [, base, id] = request.url.split(/[/?]/);
  request.baseUrl = '/' + base;
  request.originalUrl = request.url;
  request.route = routes[base];
  response.setHeader('Content-Length', 2);
  response.end('ok');
}`
const ROUTES = "const routes = { users: { path: '/:id' }, odd: { path: /x/ }, nil: null, none: undefined };"

test('what express calls a route is told once', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `${ROUTES} http.createServer(${EXPRESS}).listen(3000, () => say('up'))`)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  for (const url of ['/odd/1', '/nil/1', '/none/1', '/users/42?page=2', '/users/43']) {
    assert.strictEqual((await one.request({ head: `GET ${url} HTTP/1.1` })).body, 'ok')
  }
  await one.request({ head: 'DELETE /users/44 HTTP/1.1' })
  assert.deepStrictEqual(await plimsoll.answers.next(), { method: 'GET', path: '/users/42', route: '/users/:id' })
  assert.deepStrictEqual(await plimsoll.answers.next(), { method: 'DELETE', path: '/users/44', route: '/users/:id' })
})

test('what fastify calls a route is told once', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const channel = require('node:diagnostics_channel').channel('tracing:fastify.request.handler:start');
    http.createServer((raw, response) => {
      channel.publish({ request: { raw }, route: { url: '/posts/:slug' } });
      channel.publish({});
      response.setHeader('Content-Length', 2);
      response.end('ok');
    }).listen(3000, () => say('up'))`)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  await one.request({ head: 'GET /posts/one HTTP/1.1' })
  await one.request({ head: 'GET /posts/two HTTP/1.1' })
  await one.request({ head: 'PUT /posts/two HTTP/1.1' })
  assert.deepStrictEqual(await plimsoll.answers.next(), { method: 'GET', path: '/posts/one', route: '/posts/:slug' })
  assert.deepStrictEqual(await plimsoll.answers.next(), { method: 'PUT', path: '/posts/two', route: '/posts/:slug' })
})

test('an app sees nothing of it', async (t) => {
  const { app, path } = await start(t, `(request, response) => {
    const { write, end } = http.ServerResponse.prototype;
    let thrown = '';
    try { response.write(null) } catch (error) { thrown = error.code }
    say([thrown, typeof write, typeof end]);
    response.setHeader('Content-Length', 2);
    response.end('ok', 'latin1', () => say('called'));
  }`)
  assert.strictEqual((await link(t, path).request()).body, 'ok')
  assert.deepStrictEqual(await app.next(), ['ERR_STREAM_NULL_VALUES', 'function', 'function'])
  assert.strictEqual(await app.next(), 'called')
})

// Nothing but the names and places of files that the real packages have; those are in the tests of the examples.
test('what koa and hapi call a route is told once', async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    const fs = require('node:fs'), path = require('node:path');
    const put = (name, source) => {
      const file = path.join(__dirname, 'node_modules', name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, source);
      return require(file);
    };
    const proto = put('koa/lib/context.js', 'module.exports = {}');
    const Request = put('@hapi/hapi/lib/request.js', \`module.exports = class {
      constructor (raw) { this.raw = raw; this.method = 'get' }
      _lookup () { this.route = this.raw.req.url === '/no' ? { method: '_special', path: '/{p*}' } : { method: 'get', path: '/b/{id}' } }
    }\`);
    http.createServer((req, res) => {
      const context = Object.assign(Object.create(proto), { method: req.method, originalUrl: req.url });
      if (req.url.startsWith('/a')) { context._matchedRoute = '/a/:id'; context._matchedRoute = '(.*)'; context._matchedRoute = /x/ }
      else new Request({ req })._lookup();
      res.setHeader('Content-Length', 2);
      res.end(context._matchedRoute instanceof RegExp ? 'ok' : 'no');
    }).listen(3000, () => say('up'))`)
  const { path } = await plimsoll.listens.next()
  await app.next()
  const one = link(t, path)
  const bodies = []
  for (const url of ['/a/1', '/a/2?x=1', '/no', '/b/7']) bodies.push((await one.request({ head: `GET ${url} HTTP/1.1` })).body)
  assert.deepStrictEqual(bodies, ['ok', 'ok', 'no', 'no'])
  assert.deepStrictEqual(await plimsoll.answers.next(), { method: 'GET', path: '/a/1', route: '/a/:id' })
  assert.deepStrictEqual(await plimsoll.answers.next(), { method: 'GET', path: '/b/7', route: '/b/{id}' })
})
