'use strict'
// Keeps a server that is not yet known to be open from telling anybody, and from taking connections.
const { overlay } = require('./patch.js')

/** `path` is the Unix path that the server is about to listen on. */
function hold (server, path) {
  let released = false
  let handle = null
  let deliver = null
  const early = []
  const undo = overlay(server, 'emit', (emit) => function (event, subject) {
    if (released) return Reflect.apply(emit, this, arguments)
    // A failure to listen on our own path is ours to handle.
    if (event === 'listening' || (event === 'error' && subject?.address === path)) return false
    return Reflect.apply(emit, this, arguments)
  })

  return {
    /** Back to the server's own `emit`. */
    release () {
      if (released) return
      released = true
      undo()
      if (handle) handle.onconnection = deliver
    },

    /** The gateway may connect as soon as it has the port, which can be before we hear that it has. */
    keepConnections (of) {
      handle = of
      deliver = handle.onconnection
      handle.onconnection = (error, client) => {
        if (client) early.push(client)
      }
    },

    /** To whoever takes the handle's connections now: node:cluster puts itself there at `listening`. */
    deliverConnections () {
      for (const client of early.splice(0)) handle.onconnection(0, client)
    },

    /** The server was closed: what came early goes. */
    refuseConnections () {
      for (const client of early.splice(0)) client.close()
    }
  }
}

module.exports = { hold }
