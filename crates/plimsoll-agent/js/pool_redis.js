'use strict'
// Clients of `redis` (@redis/client) 4 and 5. Every command goes through the queue of its client, and a queue is told which
// client that is by the first command that comes by a method of the client.
const { Lines } = require('./pool_commands.js')
const { patch } = require('./patch.js')

const kClient = Symbol('plimsoll.client')
const kTracked = Symbol('plimsoll.tracked')

/** Whose method runs at this moment. */
let current = null
let lines = null

function describe ({ options }) {
  const { host, port, path } = options?.socket ?? {}
  return { server: path ? String(path) : `${host ?? 'localhost'}:${port ?? 6379}`, database: String(options?.database ?? 0) }
}

function install (exported, of) {
  const prototype = exported?.default?.prototype
  if (prototype === undefined || Object.hasOwn(prototype, kTracked)) return
  lines ??= new Lines('redis', { describe, isReady: ({ isReady }) => isReady, writes: 'connect' }, of)
  if (typeof prototype.addCommand === 'function') watchQueue(prototype)
  else if (typeof prototype.sendCommand === 'function') watchClient(prototype)
  else return
  prototype[kTracked] = true
}

function watchQueue (prototype) {
  patch(prototype, 'addCommand', (addCommand) => function (args, options) {
    const client = this[kClient] ??= current
    // What makes the connection goes before all that waits for it, and is not the app's.
    if (!client || options?.asap) return addCommand.call(this, args, options)
    const begun = lines.begin(client, args[0])
    const result = addCommand.call(this, args, options)
    if (begun === null) return result
    // A promise of our own is given on: the other one has been looked at, also where the app does not look at this one.
    return result.then((reply) => {
      begun.answered()
      return reply
    }, (error) => {
      begun.failed(error)
      throw error
    })
  })
}

function watchClient (prototype) {
  // Version 4 has no other place that all commands go through.
  const isOld = typeof prototype._executeCommand !== 'function'
  const methods = Object.getOwnPropertyNames(prototype).filter((name) => name === 'sendCommand' || (isOld && isCommand(prototype, name)))
  for (const method of methods) {
    patch(prototype, method, (original) => function (...options) {
      const before = current
      current = this._self ?? this
      try {
        return Reflect.apply(original, this, options)
      } finally {
        current = before
      }
    })
  }
}

/** Each is there twice, as `hGet` and as `HGET`. */
function isCommand (prototype, name) {
  const { value } = Object.getOwnPropertyDescriptor(prototype, name)
  return typeof value === 'function' && typeof prototype[name.toUpperCase()] === 'function'
}

module.exports = { install }
