'use strict'
// The preload: `NODE_OPTIONS=--require …/agent.cjs`. It is loaded by every Node process below the worker: npm,
// the app, the app's children, worker threads, loader threads. It does nothing in a thread, and in a process it
// leaves a trace for the supervisor and waits for a server to listen: no socket, no thread, no timer, no addon.
const { isMainThread } = require('node:worker_threads')

if (isMainThread) {
  const { ENV_DIRECTORY } = require('./wire.js')
  const directory = process.env[ENV_DIRECTORY]
  if (directory) {
    try {
      require('./preload.js').start(directory)
    } catch {
      // An app that runs without the agent is better than one that does not run.
    }
  }
}
