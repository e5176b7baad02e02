'use strict'
// Node closes a kept-alive connection after five idle seconds, perhaps just when the gateway sends the next
// request on it. Only one side may close idle connections, and the gateway knows the clients; so on a server
// behind the gateway `keepAliveTimeout` reads 0 (never), also when the app sets it later, as many do after
// reading about load balancers.
//
// `headersTimeout` and `requestTimeout` are left to the app. Node counts them from the moment of connecting on a
// link that was never used, and answers 408: so the gateway opens a link only with a request to send.

const kPinned = Symbol('plimsoll.keepAlivePinned')

function pinKeepAlive (server) {
  if (server[kPinned]) return
  server[kPinned] = true
  Object.defineProperty(server, 'keepAliveTimeout', {
    get: () => 0,
    set: () => {},
    enumerable: true,
    configurable: true
  })
}

module.exports = { pinKeepAlive }
