'use strict'
// A private directory belongs to one process: the first below the worker whose server listens. Children of the
// app inherit NODE_OPTIONS and the environment, and must not take themselves for the worker.
const fs = require('node:fs')
const path = require('node:path')
const { patch } = require('./patch.js')
const { ENV_DIRECTORY } = require('./wire.js')

const TAKEN_FILE = 'taken'

/** Whether the directory is now ours. The exclusive create decides between processes. */
function take (directory) {
  try {
    fs.closeSync(fs.openSync(path.join(directory, TAKEN_FILE), 'wx', 0o600))
  } catch {
    return false
  }
  delete process.env[ENV_DIRECTORY]
  rememberForCluster(directory)
  return true
}

// Children of node:cluster listen through their primary (see cluster.js), so they must still find the directory,
// also those that are forked later in place of dead ones.
function rememberForCluster (directory) {
  const cluster = require('node:cluster')
  if (typeof cluster.fork !== 'function') return
  patch(cluster, 'fork', (original) => function fork (env) {
    return original.call(this, { ...env, [ENV_DIRECTORY]: directory })
  })
}

module.exports = { take }
