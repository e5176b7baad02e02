'use strict'
// Makes a Unix handle answer like a TCP one. Node asks the handle (`getsockname`, `getpeername`) whenever
// somebody reads `server.address()`, `socket.remoteAddress` and their like, also through TLS and HTTP/2; so
// nothing of Node's own classes need be patched, and no other socket is touched.
const fs = require('node:fs')

// Words that the two ends of a connection take.
const ENDS = 4
const NOTHING = []

/** `name` is `getsockname` or `getpeername`; `read()` gives `{ address, family, port }`, or null: not known. */
function answer (handle, name, read) {
  handle[name] = function (out) {
    const known = read()
    if (known === null) return -1
    Object.assign(out, known)
    return 0
  }
}

/** The two ends of a client's connection, from the text that the gateway sends: see `names::peer`. */
function parse (text) {
  const words = text.split(' ')
  if (words.length < ENDS) return null
  return { peer: end(words[0], words[1]), local: end(words[2], words[3]) }
}

/** What follows after the two ends, mostly nothing. */
function extras (text) {
  let at = -1
  for (let count = 0; count < ENDS; count++) {
    at = text.indexOf(' ', at + 1)
    if (at === -1) return NOTHING
  }
  return text.slice(at + 1).split(' ')
}

function end (address, port) {
  return { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port: Number(port) }
}

/** Where a server listens that was given no host: `::`, or `0.0.0.0` where the host has no IPv6. */
function unspecified (port) {
  return end(hasIpv6() ? '::' : '0.0.0.0', port)
}

function hasIpv6 () {
  try {
    return fs.readFileSync('/proc/net/if_inet6').length > 0
  } catch {
    return false
  }
}

module.exports = { answer, end, extras, parse, unspecified }
