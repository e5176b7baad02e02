'use strict'
// Gives a test's HTTP server a port by its number where it asks for any port: a port that the kernel chooses is left to
// the app, one with a number is served by the gateway.
const http = require('node:http')
const https = require('node:https')
const net = require('node:net')

const { listen } = net.Server.prototype

// Bound at once, as long as no host is to be looked up, and free again.
function freePort () {
  const probe = net.createServer()
  listen.call(probe, 0)
  const { port } = probe.address()
  probe.close()
  return port
}

function isAny (port) {
  return port === undefined || port === null || port === 0 || port === '0'
}

net.Server.prototype.listen = function (...args) {
  const isHttp = this instanceof http.Server || this instanceof https.Server
  const [first] = args
  if (!isHttp) return listen.apply(this, args)
  if (typeof first === 'function' || args.length === 0) args.unshift(freePort())
  else if (first !== null && typeof first === 'object') {
    const elsewhere = first.path !== undefined || first.fd !== undefined || first._handle || first.handle
    if (!elsewhere && 'port' in first && isAny(first.port)) args[0] = { ...first, port: freePort() }
  } else if (isAny(first)) args[0] = freePort()
  return listen.apply(this, args)
}
