'use strict'
// The error that Node itself would have made when a server cannot listen.
const os = require('node:os')
const util = require('node:util')

/** The place in the app that called `listen`, for the stack of an error that comes later. */
function trace (below) {
  const holder = {}
  Error.captureStackTrace(holder, below)
  return holder.stack.slice(holder.stack.indexOf('\n'))
}

/** `address` is null where the app gave none. */
function refusal (code, address, port, stack) {
  const errno = -os.constants.errno[code]
  const reason = util.getSystemErrorMap().get(errno)?.[1] ?? 'unknown error'
  const shown = address ?? fallback(code)
  const error = new Error(`listen ${code}: ${reason} ${shown}:${port}`)
  error.code = code
  error.errno = errno
  error.syscall = 'listen'
  error.address = shown
  error.port = port
  error.stack = `Error: ${error.message}${stack}`
  return error
}

// libuv reports a port in use when listening, on the IPv6 socket; any other failure when binding, after which
// Node has tried IPv4 as well and names that.
function fallback (code) {
  return code === 'EADDRINUSE' ? require('./address.js').unspecified(0).address : '0.0.0.0'
}

module.exports = { refusal, trace }
