'use strict'
// Everything that a test needs, in one line.
const net = require('node:net')
const { App, agent, preload } = require('./app.js')
const { link, PEER } = require('./gateway.js')
const { Supervisor, bindAsAsked } = require('./supervisor.js')

/** A supervisor that is stopped with the test. */
async function supervisor (t, answer) {
  const one = new Supervisor(answer)
  t.after(() => one.stop())
  return one.start()
}

/** A TCP port that was free a moment ago. */
async function freePort () {
  const server = net.createServer()
  await new Promise((resolve) => server.listen(0, resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

module.exports = { App, agent, preload, link, PEER, supervisor, bindAsAsked, freePort }
