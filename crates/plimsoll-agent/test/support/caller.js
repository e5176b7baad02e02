'use strict'
// An app that makes calls to a service, under limits and a breaker as the test wants them.
const assert = require('node:assert')
const wire = require('../../js/wire.js')
const { App, downstream, supervisor } = require('./index.js')

const { LIMIT, GRANT, BREAKER } = wire.kinds
const LONG_MS = 60_000

/** An app that makes the calls of `source` when it is poked: `call(url)` by http, `said(promise)` says how it went. */
async function start (t, source, { hold = true, before = '' } = {}) {
  const plimsoll = await supervisor(t)
  plimsoll.watch = { hold }
  const service = await downstream(t)
  const app = new App(t, plimsoll, `${before}
    const URL_OF = ${JSON.stringify(service.url)}
    const call = (path = '/', options = {}) => new Promise((resolve, reject) => {
      const request = http.get(URL_OF + path, options, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      request.on('error', reject)
      options.made?.(request)
    })
    const said = (promise) => promise.then((value) => say({ value }), (error) => say({ name: error.name, message: error.message, code: error.code, cause: error.cause?.code }))
    process.stdin.on('data', (text) => { for (const letter of String(text)) run(letter) })
    const run = (letter) => { ${source} }
    const server = http.createServer().listen(3000, () => say('up'))
  `)
  assert.strictEqual(await app.next(), 'up')
  const limit = ({ concurrency = 0, rate = 0, burst = 1, queue = 100, timeoutMs = LONG_MS, perRequest = 0, enforce = 1, adaptive = 0, breaker = 0, retryPercent = 0, retryLeast = 0 } = {}) =>
    plimsoll.order(LIMIT, [0, enforce, concurrency, rate, burst, queue, timeoutMs, perRequest, adaptive, breaker, retryPercent, retryLeast])
  let serial = 0
  const grant = (amount, budget = 'concurrency', stamp = 2 ** 40) => plimsoll.order(GRANT, [0, budget, ++serial, amount, stamp, LONG_MS])
  const breaker = (state, forMs = 0, why = '') => plimsoll.order(BREAKER, [0, state, forMs, why])
  return { plimsoll, service, app, limit, grant, breaker }
}

/** Asks until one fits. */
async function ask (plimsoll, fits) {
  for (;;) {
    const one = await plimsoll.asks.next()
    if (fits(one)) return one
  }
}

module.exports = { ask, start }
