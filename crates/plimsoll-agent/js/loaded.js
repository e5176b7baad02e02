'use strict'
// Finds modules of the app by the names of their files: those that are loaded, and those that will be. What `require`
// loads comes by here, and so does what `import` loads of CommonJS; a file costs one look at its name for each who looks.
const Module = require('node:module')
const { patch } = require('./patch.js')

/** Who looks for what: `{ name, found }`. */
const looks = []

/** `found(exports, file)` for each module whose file fits `name`. */
function eachModule (name, found) {
  if (looks.length === 0) patch(Module._extensions, '.js', hook)
  const look = { name, found }
  looks.push(look)
  for (const file of Object.keys(require.cache)) show(look, file, require.cache[file].exports)
}

/** One for all: each further one would be a frame more in the stacks of the app. */
function hook (load) {
  return function (module, file) {
    const result = Reflect.apply(load, this, arguments)
    for (const look of looks) show(look, file, module.exports)
    return result
  }
}

function show ({ name, found }, file, exports) {
  if (!name.test(file)) return
  try {
    found(exports, file)
  } catch {
    // Then it is as if it were not there.
  }
}

module.exports = { eachModule }
