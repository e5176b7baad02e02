'use strict'
// The preload: `NODE_OPTIONS=--require …/agent.cjs`. It is loaded by every Node process below the worker: npm,
// the app, the app's children, worker threads, loader threads. It does nothing in a thread, and in a process it
// leaves a trace for the supervisor and waits for a server to listen: no socket, no thread, no timer, no addon.
const { isMainThread } = require('node:worker_threads')

if (isMainThread) {
  const { ENV_DIRECTORY, ENV_HEAP } = require('./wire.js')
  const { [ENV_DIRECTORY]: directory, [ENV_HEAP]: sizes } = process.env
  try {
    if (sizes) freeThreads(sizes)
  } catch {
    // Then threads are as large as the supervisor wants the process to be.
  }
  try {
    if (directory) require('./preload.js').start(directory)
  } catch {
    // An app that runs without the agent is better than one that does not run.
  }
}

/**
 * The supervisor's sizes, in `NODE_OPTIONS`, are for the heap of the main thread, which has them by now. They are flags of the
 * whole process, win over the `resourceLimits` of the app's threads (nodejs/node#43991), and on Node 22 and older make V8
 * compile Node's own modules anew: so they are taken back. Not where the app's command has a word of its own, which is the
 * last one.
 */
function freeThreads (sizes) {
  const { NODE_OPTIONS = '' } = process.env
  const options = ['', NODE_OPTIONS, ...process.execArgv, ''].join(' ').replaceAll('_', '-')
  for (const size of sizes.split(' ')) {
    const [name] = size.split('=')
    const last = options.lastIndexOf(` ${name}`)
    if (options.startsWith(` ${size} `, last)) require('node:v8').setFlagsFromString(`${name}=0`)
  }
}
