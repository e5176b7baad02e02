'use strict'
// Node closes a kept-alive connection after five idle seconds, perhaps just when the gateway sends the next
// request on it. Only one side may close idle connections, and the gateway knows the clients; so on a server
// behind the gateway `keepAliveTimeout` reads 0 (never), also when the app sets it later, as many do after
// reading about load balancers.
//
// `headersTimeout` and `requestTimeout` are left to the app. Node counts them from the moment of connecting on a
// link that was never used, and answers 408: so the gateway opens a link only with a request to send.

// `server.timeout` (0 by default) is for requests that do not get on. Node lets `keepAliveTimeout` stand in for it
// while a connection is idle; as that is gone, an idle link must not mind it.

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

/** `link` is a socket on which Node has just put its listeners. */
function ignoreIdleTimeout (link) {
  const [onTimeout] = link.listeners('timeout')
  if (onTimeout?.name !== 'socketOnTimeout') return
  link.removeListener('timeout', onTimeout)
  link.prependListener('timeout', function () {
    // The response that is being made.
    if (this._httpMessage) onTimeout.call(this)
  })
}

module.exports = { pinKeepAlive, ignoreIdleTimeout }
