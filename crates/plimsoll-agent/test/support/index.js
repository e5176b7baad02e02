'use strict'
// Everything that a test needs, in one line.
const net = require('node:net')
const { App, agent, preload } = require('./app.js')
const { downstream } = require('./downstream.js')
const { link, PEER } = require('./gateway.js')
const { Supervisor, bindAsAsked } = require('./supervisor.js')

/** A supervisor that is stopped with the test. */
async function supervisor (t, answer) {
  const one = new Supervisor(answer)
  t.after(() => one.stop())
  return one.start()
}

// Below the range that the kernel gives to outgoing connections, so that only another test can take a port between our
// look and the app's `listen`. Each process begins somewhere else and never gives a port twice.
const [FIRST, COUNT] = [15_000, 17_000]
let next = process.pid * 7919

/** A TCP port on which nothing listens now. */
async function freePort () {
  for (let tries = 0; tries < COUNT; tries++) {
    const port = FIRST + (next++ % COUNT)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree (port) {
  return new Promise((resolve) => {
    const server = net.createServer().on('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}

module.exports = { App, agent, preload, downstream, link, PEER, supervisor, bindAsAsked, freePort }
