'use strict'
// Node closes a kept-alive connection after five idle seconds, perhaps just when the gateway sends the next
// request on it. Only one side may close idle connections, and the gateway knows the clients; so on a link nothing
// comes of `keepAliveTimeout`, whatever the app sets it to, and when: many do after reading about load balancers.
// The app reads back what it set, and its clients are told so.
//
// `headersTimeout` and `requestTimeout` are left to the app. Node counts them from the moment of connecting on a
// link that was never used, and answers 408: so the gateway opens a link only with a request to send.

// `server.timeout` (0 by default) is for requests that do not get on. Node lets `keepAliveTimeout` stand in for it
// while a connection is idle; as that is gone, an idle link must not mind it.

/**
 * Node puts the timeout on the socket when a response is done, and takes it off when the next request is
 * `link.arriving`. Instead no timeout at all is left on an idle link: neither Node's nor one that the app set for a
 * request of another client.
 */
function ignoreKeepAliveTimeout (link) {
  const { setTimeout } = link.socket
  link.socket.setTimeout = function (ms, callback) {
    if (callback !== undefined) return setTimeout.call(this, ms, callback)
    // Undefined before the first response: what the app sets on a fresh connection is for its first request.
    const timeout = this._httpMessage === null && !link.arriving ? 0 : ms
    if (timeout === 0 && !this.timeout) return this
    return setTimeout.call(this, timeout)
  }
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

module.exports = { ignoreIdleTimeout, ignoreKeepAliveTimeout }
