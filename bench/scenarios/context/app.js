'use strict'
// A handler that awaits ten things, as handlers do. CONTEXT says how the id of the request is passed on to what it awaits:
// `hooks` follows every promise with async_hooks, as tools did; `storage` is AsyncLocalStorage; without it nothing is.
const { AsyncLocalStorage, createHook, executionAsyncId } = require('node:async_hooks')
const express = require('express')

const contexts = new Map()
const storage = new AsyncLocalStorage()
let requests = 0

if (process.env.CONTEXT === 'hooks') {
  createHook({
    init (id, type, trigger) { if (contexts.has(trigger)) contexts.set(id, contexts.get(trigger)) },
    before (id) { contexts.get(id) },
    after (id) { contexts.get(id) },
    destroy (id) { contexts.delete(id) },
    promiseResolve (id) { contexts.get(id) }
  }).enable()
}

const app = express()
app.disable('etag')
app.use((req, res, next) => {
  const context = { id: ++requests }
  if (process.env.CONTEXT === 'hooks') contexts.set(executionAsyncId(), context)
  if (process.env.CONTEXT === 'storage') return storage.run(context, next)
  next()
})

app.get('/', async (req, res) => {
  let sum = 0
  for (let step = 0; step < 10; step++) sum += await Promise.resolve(step)
  res.json({ sum })
})

app.listen(process.env.PORT)
