'use strict'
// The one helper that replaces something that belongs to Node or to the app, and can put it back.

/**
 * Replaces `object[name]` by `make(original)` and returns the function that undoes it. The undo does nothing
 * where somebody has replaced the property since: theirs calls ours, and ours must go on working.
 */
function patch (object, name, make) {
  const own = Object.getOwnPropertyDescriptor(object, name)
  const original = object[name]
  const replacement = make(original)
  Object.defineProperty(object, name, {
    value: replacement,
    writable: true,
    configurable: true,
    enumerable: own ? own.enumerable : false
  })
  return function undo () {
    if (object[name] !== replacement) return
    if (own) Object.defineProperty(object, name, own)
    else delete object[name]
  }
}

module.exports = { patch }
