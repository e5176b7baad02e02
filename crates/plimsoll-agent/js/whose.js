'use strict'
// Whose request it is for which something is done now: the one that is followed (context.js), else the one whose synchronous
// part runs, which the watchdog has noted.
const { current, ofLink } = require('./context.js')
const { running } = require('./watchdog.js')

/** The request that runs; null: it is not known. */
function whose () {
  return current() ?? ofLink(running())
}

module.exports = { whose }
