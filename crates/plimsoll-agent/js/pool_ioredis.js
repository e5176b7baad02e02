'use strict'
// Clients of `ioredis`, also those that a cluster and a queue such as `bullmq` have.
const { Lines } = require('./pool_commands.js')
const { patch } = require('./patch.js')

const kSeen = Symbol('plimsoll.seen')

/** What makes the connection is not the app's. */
const HANDSHAKE = /^(?:auth|client|hello|info|readonly|select)$/i

function describe ({ options: { host, port, path, db, sentinels, name } }) {
  const server = sentinels ? String(name) : path ? String(path) : `${host ?? 'localhost'}:${port ?? 6379}`
  return { server, database: String(db ?? 0) }
}

function install (exported, of) {
  const prototype = (exported?.default ?? exported)?.prototype
  if (typeof prototype?.sendCommand !== 'function' || Object.hasOwn(prototype, kSeen)) return
  prototype[kSeen] = true
  const lines = new Lines('ioredis', { describe, isReady: ({ status }) => status === 'ready', writes: 'ready' }, of)
  patch(prototype, 'sendCommand', (sendCommand) => function (command, stream) {
    // What waited for the connection is sent again; without one for good nothing is.
    if (command[kSeen] || this.status === 'end') return sendCommand.call(this, command, stream)
    command[kSeen] = true
    const isHandshake = this.status === 'connect' && HANDSHAKE.test(command.name)
    const begun = isHandshake ? null : lines.begin(this, command.name)
    if (begun !== null) watchEnd(command, begun)
    return sendCommand.call(this, command, stream)
  })
}

/** Not by its promise: that one had then been looked at, also where the app does not. */
function watchEnd (command, begun) {
  const { resolve, reject } = command
  command.resolve = (result) => {
    begun.answered()
    resolve(result)
  }
  command.reject = (error) => {
    begun.failed(error)
    reject(error)
  }
}

module.exports = { install }
