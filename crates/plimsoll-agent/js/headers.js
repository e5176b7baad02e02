'use strict'
// Takes the private header out of a request, so that neither `rawHeaders`, `headers` nor `headersDistinct` ever
// had it.
const { PEER_HEADER } = require('./wire.js')

// Node counts the headers it will show in a property behind a symbol of its own, and reads `rawHeaders` up to
// that count when somebody asks for `headers` first.
let kHeadersCount
let kHeaders

/**
 * The value of the private header, or null where the request does not end in it. `lengthMax` is how many entries
 * of `rawHeaders` the app wants to see (0: all), see `server.maxHeadersCount`.
 */
function take (request, lengthMax) {
  const raw = request.rawHeaders
  const length = raw.length - 2
  if (length < 0 || raw[length] !== PEER_HEADER) return null
  const value = raw.pop()
  raw.pop()
  if (kHeadersCount === undefined) findSymbols(request)
  if (kHeadersCount === null || request[kHeaders] !== null) forget(request)
  if (kHeadersCount !== null) request[kHeadersCount] = lengthMax > 0 && lengthMax < length ? lengthMax : length
  return value
}

function findSymbols (request) {
  const symbols = Object.getOwnPropertySymbols(request)
  const find = (name) => symbols.find((symbol) => symbol.description === name) ?? null
  kHeaders = find('kHeaders')
  kHeadersCount = kHeaders && find('kHeadersCount')
}

// Somebody has looked already (a subclass of IncomingMessage can), or this Node counts in another way.
function forget (request) {
  delete request.headers[PEER_HEADER]
  if (kHeadersCount === null) delete request.headersDistinct?.[PEER_HEADER]
}

module.exports = { take }
