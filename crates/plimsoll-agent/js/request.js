'use strict'
// What an app asked for when it called `listen`.

// UV_TCP_IPV6ONLY of libuv, as Node hands it to `_listen2`.
const IPV6_ONLY = 1

class Request {
  /** `tcp` is the argument list of `_listen2` with which Node binds the port by itself. */
  constructor (kind, tcp) {
    const [address, port, , backlog, , flags] = tcp
    this.kind = kind
    this.tcp = tcp
    /** An IP address; null where the app gave no host. */
    this.address = address || null
    this.port = port
    this.backlog = backlog > 0 ? Math.trunc(backlog) : 0
    this.ipv6Only = Boolean(flags & IPV6_ONLY)
    /** The server belongs to node:cluster, and its connections go to the children. */
    this.shared = false
    /** Why its requests cannot be claimed by the children; empty where they can. */
    this.unclaimed = ''
  }

  /** As the supervisor is told: see `FromAgent::Listen`. */
  get host () {
    return this.address ?? ''
  }
}

module.exports = { Request }
