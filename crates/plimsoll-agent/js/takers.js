'use strict'
// Who took a connection: the place in the app's code.
const { POOLS, cut } = require('./wire.js')

const FRAMES = 12
const LINES_KEPT = 6

/** What has the stack of whoever called `inner`. */
function takerFrom (inner) {
  const taker = {}
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  Error.captureStackTrace(taker, inner)
  Error.stackTraceLimit = stackTraceLimit
  return taker
}

/** The frames of the app, without its packages where there are others. */
function linesOf (taker) {
  let lines = []
  try {
    lines = String(taker?.stack ?? '').split('\n').filter((line) => line.startsWith('    at ') && !line.includes('node:internal'))
  } catch {
    // The app formats stacks in its own way.
  }
  lines = lines.filter((line) => !line.includes(__dirname))
  const own = lines.filter((line) => !/[\\/]node_modules[\\/]/.test(line))
  const text = (own.length > 0 ? own : lines).slice(0, LINES_KEPT).join('\n')
  return cut(text, POOLS.TAKER_MAX)
}

module.exports = { linesOf, takerFrom }
