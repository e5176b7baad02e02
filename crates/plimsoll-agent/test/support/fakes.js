'use strict'
// Servers that say as much as a client needs to think that they are Redis, or MongoDB. Those of the app's own process: source
// for it.

/** `redis` answers after `delay` ms; it goes away by `redis.leave()`, and comes again by `redis.come()`. */
const REDIS = `
  const redis = net.createServer((socket) => {
    redis.sockets.add(socket)
    socket.on('close', () => redis.sockets.delete(socket)).on('error', () => {})
    socket.on('data', (bytes) => {
      const commands = String(bytes).match(/\\*\\d+\\r\\n\\$\\d+\\r\\n\\w+/g) ?? []
      const answer = () => commands.forEach((command) => socket.write(/fail$/i.test(command) ? '-ERR no\\r\\n' : /info$/i.test(command) ? '$0\\r\\n\\r\\n' : '+OK\\r\\n'))
      const isSlow = commands.some((command) => /(?:get|fail)$/i.test(command))
      if (isSlow) setTimeout(answer, redis.delay)
      else answer()
    })
  })
  redis.delay = 20
  redis.sockets = new Set()
  redis.leave = () => {
    redis.port = redis.address().port
    redis.close()
    for (const socket of redis.sockets) socket.destroy()
  }
  redis.come = () => redis.listen(redis.port, '127.0.0.1')
  const listening = new Promise((resolve) => redis.listen(0, '127.0.0.1', () => resolve(redis.address().port)))
`

/** `mongo`: OP_MSG, and OP_QUERY for the first hello; \`find\` takes \`delay\` ms. */
const MONGO = `
  const { BSON } = require('mongodb')
  const hello = { isWritablePrimary: true, ismaster: true, helloOk: true, maxBsonObjectSize: 2 ** 24, maxMessageSizeBytes: 48e6, maxWriteBatchSize: 1e5, minWireVersion: 0, maxWireVersion: 21, readOnly: false, ok: 1 }
  const answerTo = (command) => {
    if (command.find) return { cursor: { firstBatch: [{ _id: 1 }], id: BSON.Long.ZERO, ns: 'shop.orders' }, ok: 1 }
    return command.hello || command.ismaster || command.isMaster ? hello : { ok: 1 }
  }
  const mongo = net.createServer((socket) => {
    let rest = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes])
      while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
        const message = rest.subarray(0, rest.readInt32LE(0))
        rest = rest.subarray(message.length)
        const isOld = message.readInt32LE(12) === 2004
        const begin = isOld ? message.indexOf(0, 20) + 9 : 21
        const command = BSON.deserialize(message.subarray(begin, begin + message.readInt32LE(begin)))
        const body = BSON.serialize(answerTo(command))
        const middle = isOld ? Buffer.alloc(20) : Buffer.alloc(5)
        if (isOld) middle.writeInt32LE(1, 16)
        const head = Buffer.alloc(16)
        head.writeInt32LE(16 + middle.length + body.length, 0)
        head.writeInt32LE(message.readInt32LE(4), 8)
        head.writeInt32LE(isOld ? 1 : 2013, 12)
        const send = () => socket.writable && socket.write(Buffer.concat([head, middle, body]))
        if (command.find) setTimeout(send, mongo.delay)
        else send()
      }
    })
  })
  mongo.delay = 50
  const listening = new Promise((resolve) => mongo.listen(0, '127.0.0.1', () => resolve(mongo.address().port)))
`

module.exports = { REDIS, MONGO }
