'use strict'
// What happens before the app's first line: a mark in the private directory, what waits, and a clock that stays.
const fs = require('node:fs')
const path = require('node:path')
require('./apart.js')
const cluster = require('./cluster.js')
const listen = require('./listen.js')
const registries = require('./registries.js')
const tax = require('./tax.js')
const { PRESENCE_FILE } = require('./wire.js')

function start (directory) {
  present(directory)
  cluster.install(directory)
  listen.install(directory)
  registries.install()
  tax.install()
}

/** Tells the supervisor that the command runs Node and that the agent could be loaded. */
function present (directory) {
  try {
    fs.closeSync(fs.openSync(path.join(directory, PRESENCE_FILE), 'wx', 0o600))
  } catch {
    // Another process of this worker was first, or the directory is gone or closed to us.
  }
}

module.exports = { start }
