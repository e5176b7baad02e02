'use strict'
// Moves an HTTP server of the app from its TCP port to a private Unix socket.
//
// Node reads the arguments of `listen()`, looks the host up, and then binds in one step: `server._listen2`,
// which has kept its name through all versions for those who wrap it. That step alone is replaced, so every
// signature, check and error before it is Node's own.
//
// What is needed only when a server is really moved is loaded then: npm and its like load this file too.
const net = require('node:net')
const cluster = require('./cluster.js')
const { kindOf } = require('./kind.js')
const { patch } = require('./patch.js')
const { Request } = require('./request.js')

function install (directory) {
  if (typeof net.Server.prototype._listen2 !== 'function') return
  patch(net.Server.prototype, '_listen2', (original) => function setupListenHandle (...args) {
    let moved
    try {
      moved = move(directory, this, original, args)
    } catch {
      moved = this._handle !== null
    }
    if (!moved) original.apply(this, args)
  })
}

/** False where Node must do as it was asked. */
function move (directory, server, original, args) {
  const kind = cluster.takeShare(server)
  if (kind) {
    original.apply(server, args)
    require('./serve.js').serve(server, kind, false)
    return true
  }
  const request = server._handle ? null : cluster.askedByChild(directory, args) ?? wanted(server, args)
  if (!request) return false
  const channel = require('./channel.js').open(directory, request.unclaimed)
  if (!channel) {
    original.apply(server, request.tcp)
    return true
  }
  const { Listening } = require('./listening.js')
  new Listening(server, request, channel, original).start()
  return true
}

// A child of node:cluster that reaches this point asked for a port of its own (`exclusive`, `reusePort`): its
// sisters may do the same, and the gateway binds a port only once.
function wanted (server, args) {
  const [, port, , , fd] = args
  if (!(port > 0) || typeof fd === 'number' || cluster.isChild()) return null
  const kind = kindOf(server)
  return kind && new Request(kind, args)
}

module.exports = { install }
