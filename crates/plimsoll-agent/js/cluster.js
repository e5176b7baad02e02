'use strict'
// Apps that fork themselves with node:cluster. A child does not bind: it asks its primary for a share of the
// port, by address. For an HTTP server the child's agent asks for a made-up Unix path instead that spells the
// request. The primary's agent knows such a path when node:cluster listens on it, and moves that server like any
// other; node:cluster hands its connections, and what `server.address()` says, to the children.
const net = require('node:net')
const path = require('node:path')
const { kindOf } = require('./kind.js')
const { patch } = require('./patch.js')
const { Request } = require('./request.js')
const { ENV_DIRECTORY, PAGE_MISSING } = require('./wire.js')

const ANY = '*'

/** Servers of this child that have got their share → their kind. */
const shares = new WeakMap()

let following = false

function install (directory) {
  // Only children of node:cluster have a channel to a parent before their first line; others need not load it.
  if (process.connected && isChild()) askByPath(directory)
  bindForChildren(directory)
}

function isChild () {
  return require('node:cluster').isWorker
}

/** The kind of a server that has just got its share from the primary; once. */
function takeShare (server) {
  const kind = shares.get(server)
  shares.delete(server)
  return kind
}

function askByPath (directory) {
  patch(require('node:cluster'), '_getServer', (original) => function (server, query, callback) {
    const kind = query.port > 0 && typeof query.fd !== 'number' ? kindOf(server) : null
    if (!kind) return original.call(this, server, query, callback)
    delete process.env[ENV_DIRECTORY]
    // The requests run here, so it is here that they are claimed.
    const claims = require('./page.js').open(directory).words !== null
    require('./watchdog.js').start(directory)
    const asked = { ...query, address: spell(directory, kind, claims, query), port: -1, addressType: -1 }
    return original.call(this, server, asked, (error, handle, ...rest) => {
      if (!error) shares.set(server, kind)
      return callback(error, handle, ...rest)
    })
  })
}

function spell (directory, kind, claims, { address, port, addressType, flags, backlog }) {
  const words = [kind, address || ANY, port, addressType, Number(flags) || 0, Number(backlog) || 0, Number(claims)]
  return path.join(prefix(directory), ...words.map(String))
}

function prefix (directory) {
  return path.join(directory, 'cluster')
}

/** What a child asked for with such a path, `tcp` as the arguments of `_listen2`; null for any other path. */
function understand (directory, asked) {
  if (typeof asked !== 'string') return null
  // node:cluster may have made it relative.
  const full = path.resolve(asked)
  const start = prefix(directory) + path.sep
  if (!full.startsWith(start)) return null
  const [kind, address, ...numbers] = full.slice(start.length).split(path.sep)
  const [port, addressType, flags, backlog, claims] = numbers.map(Number)
  return { kind, claims: claims === 1, tcp: [address === ANY ? null : address, port, addressType, backlog, undefined, flags] }
}

/** In the primary: the request of a child, from the arguments of `_listen2`. */
function askedByChild (directory, [asked, port]) {
  const understood = port === -1 ? understand(directory, asked) : null
  if (!understood) return null
  followChildren(directory)
  const request = new Request(understood.kind, understood.tcp)
  request.shared = true
  if (!understood.claims) request.unclaimed = `${PAGE_MISSING}not to be had in a child of node:cluster`
  return request
}

// With SCHED_NONE the primary binds without a server, and there is nothing to hold back until the gateway has the
// port. Such an app keeps its port and is not served by the gateway.
function bindForChildren (directory) {
  patch(net, '_createServerHandle', (original) => function (...args) {
    const understood = args[1] === -1 ? understand(directory, args[0]) : null
    if (!understood) return original.apply(this, args)
    const [address, port, addressType, , , flags] = understood.tcp
    return original.call(this, address, port, addressType, undefined, flags)
  })
}

// The primary is told what its children listen on, and must hear of the port and not of the path.
function followChildren (directory) {
  if (following) return
  following = true
  const cluster = require('node:cluster')
  const follow = (worker) => worker.prependListener('listening', (info) => {
    const understood = understand(directory, info.address)
    if (understood) [info.address, , info.addressType] = understood.tcp
  })
  for (const worker of Object.values(cluster.workers ?? {})) follow(worker)
  cluster.on('fork', follow)
}

module.exports = { install, isChild, takeShare, askedByChild }
