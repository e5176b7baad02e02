'use strict'
// Prepares a server that listens on a Unix socket for the connections of the gateway.
const { answer, parse } = require('./address.js')
const { addon } = require('./addon.js')
const { attend } = require('./link.js')

function serve (server, kind) {
  if (kind === 'http') attend(server)
  else nameClients(server._handle)
}

// A passed-through connection belongs to one client, whose address is the name of the gateway's end. It is given
// to the handle before Node makes a socket of it, so that TLS and HTTP/2 on top of the socket see it too.
function nameClients (handle) {
  const deliver = handle.onconnection
  handle.onconnection = function (error, client) {
    if (client) nameClient(client)
    return deliver.call(this, error, client)
  }
}

function nameClient (client) {
  const name = addon().peerName?.(client.fd)
  const connection = name ? parse(textOf(name)) : null
  if (connection === null) return
  answer(client, 'getpeername', () => connection.peer)
  answer(client, 'getsockname', () => connection.local)
}

// `plimsoll/<unique>/<text>`
function textOf (name) {
  return name.slice(name.indexOf('/', name.indexOf('/') + 1) + 1)
}

module.exports = { serve }
