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

/**
 * As `patch`, for a while: an inherited property is replaced in a layer between the object and its prototype. To
 * delete a property again would turn the object into a hash table for good, and a server is looked at a dozen times
 * per request.
 */
function overlay (object, name, make) {
  if (Object.hasOwn(object, name)) return patch(object, name, make)
  const prototype = Object.getPrototypeOf(object)
  const layer = Object.create(prototype, {
    [name]: { value: make(object[name]), writable: true, configurable: true }
  })
  Object.setPrototypeOf(object, layer)
  return function undo () {
    if (Object.getPrototypeOf(object) === layer) Object.setPrototypeOf(object, prototype)
  }
}

module.exports = { overlay, patch }
