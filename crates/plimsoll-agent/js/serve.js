'use strict'
// Prepares a server that listens on a Unix socket for the connections of the gateway.
const { answer, parse } = require('./address.js')
const { addon } = require('./addon.js')
const { makeRoom } = require('./keep_alive.js')
const { TRUNK } = require('./layout.js')
const { attend } = require('./link.js')
const { patch } = require('./patch.js')
const { Trunk } = require('./trunk.js')

/** `isWhole`: all connections of the gateway come to this process. */
function serve (server, kind, isWhole) {
  if (kind !== 'http') return nameClients(server._handle)
  attend(server)
  takeTrunks(server, isWhole)
}

// A gateway thread makes one connection more than its links, which brings a trunk. Where several processes take connections
// in turn, each would have to have one: there, links are sockets.
function takeTrunks (server, isWhole) {
  const handle = server._handle
  const trunks = []
  const deliver = handle.onconnection
  handle.onconnection = function (error, client) {
    if (!client || !bringsTrunk(client)) {
      makeRoom(server)
      return deliver.call(this, error, client)
    }
    if (isWhole) trunks.push(new Trunk(server, client))
    else client.close()
  }
  patch(handle, 'close', (close) => function () {
    for (const trunk of trunks) trunk.close()
    return Reflect.apply(close, this, arguments)
  })
}

function bringsTrunk (client) {
  const name = addon().peerName?.(client.fd)
  return Boolean(name) && textOf(name) === TRUNK.NAME
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
