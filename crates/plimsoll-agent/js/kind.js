'use strict'
// Which servers are moved behind the gateway, and how the gateway must treat what arrives there.
const net = require('node:net')

const HTTP2 = new Set(['Http2Server', 'Http2SecureServer'])

/**
 * `http` (request by request), `tcp` (bytes are passed through), or null: not ours. Plain `net.Server`s are left
 * alone: tools listen with them for a moment to find a free port.
 */
function kindOf (server) {
  if (Object.getPrototypeOf(server) === net.Server.prototype) return null
  if (server instanceof require('node:http').Server) return 'http'
  if (isHttp2(server) || server instanceof require('node:https').Server) return 'tcp'
  return null
}

// The classes of http2 are not exported, and loading the module to get at them would cost every app 5 ms.
function isHttp2 (server) {
  for (let prototype = Object.getPrototypeOf(server); prototype; prototype = Object.getPrototypeOf(prototype)) {
    if (HTTP2.has(prototype.constructor?.name)) return true
  }
  return false
}

module.exports = { kindOf }
