'use strict'
// Node closes a kept-alive connection after five idle seconds, perhaps just when the gateway sends the next
// request on it. Only one side may close idle connections, and the gateway knows the clients; so on a link nothing
// comes of `keepAliveTimeout`, whatever the app sets it to, and when: many do after reading about load balancers.
// The app reads back what it set, and its clients are told so.
//
// `headersTimeout` and `requestTimeout` are left to the app. Node counts them from the moment of connecting on a
// link that was never used, and answers 408: so the gateway opens a link only with a request to send.
const { outside, setTimeout } = require('./apart.js')

// `server.timeout` (0 by default) is for requests that do not get on. Node lets `keepAliveTimeout` stand in for it
// while a connection is idle; as that is gone, an idle link must not mind it.

// An answer that is shorter than it said is one that its client waits for, though the app is done with it. Node ends such a
// connection by `keepAliveTimeout`; here the gateway frees the link's slot when it has the whole answer, and a link whose slot
// says for so many looks that it has not is ended. As long as Node's default, and one look for all links, so that no request pays.
const LOOK_MS = 1000
const LOOKS = 5

/** Those that are open. */
const links = new Set()
let isLooking = false

/** `link` has just been connected. */
function watch (link) {
  links.add(link)
  link.socket.once('close', () => links.delete(link))
}

/**
 * Node puts the timeout on the socket when a response is done, and takes it off when the next request is
 * `link.arriving`. Instead no timeout at all is left on an idle link: neither Node's nor one that the app set for a
 * request of another client.
 */
function ignoreKeepAliveTimeout (link) {
  const { setTimeout } = link.socket
  link.socket.setTimeout = function (ms, callback) {
    if (callback !== undefined) {
      // First, as it throws where it is none.
      setTimeout.call(this, ms, callback)
      // Before the first request it is for all of the connection's.
      if (link.timeout >= 0) (link.callbacks ??= new WeakSet()).add(callback)
      return this
    }
    let timeout = ms
    // Undefined before the first response: what the app sets on a fresh connection is for its first request.
    if (this._httpMessage === null && !link.arriving) {
      // Node never asks for 0 here; an app may, that has taken the socket from its response.
      if (ms > 0) answered(link)
      timeout = 0
    }
    if (timeout === 0 && !this.timeout) return this
    return setTimeout.call(this, timeout)
  }
}

function answered (link) {
  link.isAnswered = true
  if (isLooking) return
  isLooking = true
  outside(lookLater)
}

function lookLater () {
  setTimeout(look, LOOK_MS).unref()
}

function look () {
  isLooking = false
  for (const link of links) {
    if (!link.isAnswered || !link.isRunning()) continue
    isLooking = true
    if (link.hasMoved()) link.looks = 0
    else if (++link.looks >= LOOKS) link.socket.destroy()
  }
  if (isLooking) lookLater()
}

/**
 * With a `keepAliveTimeout` of 0 Node does nothing at the end of a response, and what the app set for one client's request
 * would be there for the next one's. That gets what was set for the connection.
 */
function renewTimeout (link) {
  const { socket } = link
  const timeout = socket.timeout || 0
  if (link.timeout < 0) link.timeout = timeout
  else if (timeout !== link.timeout) socket.setTimeout(link.timeout)
}

/** What the app wanted called when an earlier request timed out. */
function forgetCallbacks (link) {
  const { callbacks, socket } = link
  for (const callback of socket.listeners('timeout')) {
    if (callbacks.has(callback)) socket.removeListener('timeout', callback)
  }
  link.callbacks = null
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

/** A link is about to be opened to a server that has as many as it may have: one that no request needs now goes for it. */
function makeRoom (server) {
  if (!(server.maxConnections > 0) || server._connections < server.maxConnections) return
  for (const link of links) {
    if (link.socket.server === server && link.isIdle()) return void link.socket.destroy()
  }
}

module.exports = { forgetCallbacks, ignoreIdleTimeout, ignoreKeepAliveTimeout, makeRoom, renewTimeout, watch }
