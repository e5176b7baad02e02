'use strict'
// What a process says of its metrics when it is asked: Node's, and those that the app keeps in prom-client, which knows
// nothing of it.
const assert = require('node:assert')
const path = require('node:path')
const { describe, test } = require('node:test')
const { App, supervisor } = require('./support/index.js')

const MODULES = path.join(__dirname, 'node_modules')
const LISTEN = "\nhttp.createServer((q, s) => s.end('ok')).listen(3000, () => say('up'))"

async function start (t, source, options) {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `const MODULES = ${JSON.stringify(MODULES)}\nmodule.paths.push(MODULES)\n${source}${LISTEN}`, options)
  assert.strictEqual(await app.next(), 'up')
  return { plimsoll, app }
}

const node = ({ lines }) => lines.find(([mark]) => mark === 'n')[1]

/** The metrics of an answer by name, with their samples as `suffix{labels}`. */
function metrics ({ lines }) {
  const found = {}
  let current = null
  for (const [mark, value] of lines) {
    if (mark === 'f') {
      const [name, help, type, aggregator] = value
      current = found[name] ??= { help, type, aggregator, samples: {} }
    } else if (mark === 's') {
      const [suffix, number, labels] = value
      const text = Object.entries(labels).sort().map(([label, text]) => `${label}=${text}`).join(',')
      current.samples[`${suffix}{${text}}`] ??= number
    }
  }
  return found
}

test('Node tells of its loop, its heap and what keeps it alive', async (t) => {
  const { plimsoll, app } = await start(t, '')
  const first = node(await plimsoll.readMetrics(1))
  assert.match(first.version, /^v\d+\.\d+\.\d+/)
  assert.ok(first.lag >= 0 && first.active_ms > 0, JSON.stringify(first))
  assert.ok(first.spaces.old.length === 3 && first.spaces.old.every((bytes) => bytes >= 0))
  assert.ok(Object.values(first.handles).some((count) => count > 0))
  // From the first question on the delay is measured.
  for (let id = 2; ; id++) {
    const { lag_p99: p99, lag_min: min, lag_max: max, lag_mean: mean } = node(await plimsoll.readMetrics(id))
    if (p99 === undefined) continue
    assert.ok(min > 0 && mean >= min && max >= mean, `${min} ${mean} ${max}`)
    break
  }
  // None of it keeps the process alive.
  app.process.kill('SIGTERM')
  await app.exited
})

describe('metrics of the app', () => {
  for (const library of ['prom-client', 'prom-client-11']) {
    test(`of ${library} are found in every registry, also in those made before the first server`, async (t) => {
      const { plimsoll } = await start(t, `
        const client = require('${library}')
        client.collectDefaultMetrics()
        const own = new client.Registry()
        own.setDefaultLabels({ shop: 'one' })
        new client.Counter({ name: 'hits_total', help: 'Hits.', labelNames: ['route'] }).inc({ route: '/a' }, 3)
        new client.Gauge({ name: 'temperature', help: 'T.', aggregator: 'max', registers: [own] }).set(-4.5)
        new client.Histogram({ name: 'took', help: 'H.', buckets: [1, 5], registers: [own], labelNames: ['kind'] }).observe({ kind: 'x' }, 3)
        new client.Summary({ name: 'waited', help: 'S.', percentiles: [0.5], registers: [own] }).observe(2)
        // Made to be printed: the same metrics again.
        const printed = client.Registry.merge([client.register, own])
        globalThis.printed = printed
      `)
      const answer = await plimsoll.readMetrics(1)
      assert.strictEqual(answer.leftOut, 0)
      const found = metrics(answer)
      assert.deepStrictEqual(found, {
        hits_total: { help: 'Hits.', type: 'counter', aggregator: 'sum', samples: { '{route=/a}': 3 } },
        temperature: { help: 'T.', type: 'gauge', aggregator: 'max', samples: { '{shop=one}': -4.5 } },
        took: {
          help: 'H.',
          type: 'histogram',
          aggregator: 'sum',
          samples: {
            '_bucket{kind=x,le=1,shop=one}': 0,
            '_bucket{kind=x,le=5,shop=one}': 1,
            '_bucket{kind=x,le=+Inf,shop=one}': 1,
            '_sum{kind=x,shop=one}': 3,
            '_count{kind=x,shop=one}': 1
          }
        },
        waited: {
          help: 'S.',
          type: 'summary',
          aggregator: 'sum',
          samples: { '{quantile=0.5,shop=one}': 2, '_sum{shop=one}': 2, '_count{shop=one}': 1 }
        }
      })
    })
  }

  test('of several copies of prom-client, and of an app of modules, are found', async (t) => {
    const { plimsoll } = await start(t, `
      const old = require('prom-client-11')
      new old.Counter({ name: 'old_total', help: 'O.' }).inc(1)
      module.exports = import('node:url')
        .then(({ pathToFileURL }) => import(pathToFileURL(require('node:path').join(MODULES, 'prom-client', 'index.js'))))
        .then(({ default: client }) => { new client.Counter({ name: 'new_total', help: 'N.' }).inc(2) })
    `)
    for (let id = 1; ; id++) {
      const found = metrics(await plimsoll.readMetrics(id))
      if (found.new_total === undefined) continue
      assert.deepStrictEqual([found.old_total.samples, found.new_total.samples], [{ '{}': 1 }, { '{}': 2 }])
      break
    }
  })

  test('that fail or never come are left out and counted, and the app does not notice', async (t) => {
    const { plimsoll } = await start(t, `
      const client = require('prom-client')
      let asked = 0
      new client.Gauge({ name: 'hangs', help: 'H.', collect () { asked += 1; return new Promise(() => {}) } })
      new client.Gauge({ name: 'throws', help: 'T.', collect () { throw new Error('no') } })
      new client.Gauge({ name: 'rejects', help: 'R.', async collect () { throw new Error('no') } })
      new client.Gauge({ name: 'asked', help: 'A.', collect () { this.set(asked) } })
      process.on('unhandledRejection', () => say('rejected'))
    `)
    for (const id of [1, 2]) {
      const answer = await plimsoll.readMetrics(id)
      assert.deepStrictEqual(Object.keys(metrics(answer)), ['asked'])
      assert.deepStrictEqual([answer.leftOut, metrics(answer).asked.samples], [3, { '{}': 1 }], 'it hangs and is not asked again')
    }
  })

  test('are not read where nobody wants them, and no more of them than there is room for', async (t) => {
    const { plimsoll } = await start(t, `
      const client = require('prom-client')
      const many = new client.Gauge({ name: 'many', help: 'M.', labelNames: ['a'] })
      for (let i = 0; i < 5000; i++) many.set({ a: 'x'.repeat(50) + i }, i)
    `)
    const none = await plimsoll.readMetrics(1, { app: false })
    assert.deepStrictEqual([metrics(none), none.leftOut], [{}, 0])
    const all = await plimsoll.readMetrics(2)
    assert.deepStrictEqual([Object.keys(metrics(all).many.samples).length, all.leftOut], [5000, 0])
    const some = await plimsoll.readMetrics(3, { bytesMax: 100_000 })
    const count = Object.keys(metrics(some).many.samples).length
    assert.ok(count > 500 && count + some.leftOut === 5000, `${count} and ${some.leftOut}`)
  })

  test('whose registry is gone or was cleared are gone', async (t) => {
    const { plimsoll, app } = await start(t, `
      const client = require('prom-client')
      new client.Gauge({ name: 'stays', help: 'S.' }).set(1)
      const own = new client.Registry()
      new client.Gauge({ name: 'goes', help: 'G.', registers: [own] }).set(1)
      process.stdin.once('data', () => { own.clear(); say('cleared') })
    `)
    assert.deepStrictEqual(Object.keys(metrics(await plimsoll.readMetrics(1))), ['stays', 'goes'])
    app.poke()
    assert.strictEqual(await app.next(), 'cleared')
    assert.deepStrictEqual(Object.keys(metrics(await plimsoll.readMetrics(2))), ['stays'])
  })
})
