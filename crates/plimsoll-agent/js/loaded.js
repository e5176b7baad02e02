'use strict'
// Finds modules of the app by the names of their files: those that are loaded, and those that will be. What `require`
// loads comes by here, and so does what `import` loads of CommonJS; a file costs one look at its name.
const Module = require('node:module')
const { patch } = require('./patch.js')

/** `found(exports)` for each module whose file fits `name`. */
function eachModule (name, found) {
  const look = (file, exports) => {
    if (!name.test(file)) return
    try {
      found(exports)
    } catch {
      // Then it is as if it were not there.
    }
  }
  for (const file of Object.keys(require.cache)) look(file, require.cache[file].exports)
  patch(Module._extensions, '.js', (load) => function (module, file) {
    const result = Reflect.apply(load, this, arguments)
    look(file, module.exports)
    return result
  })
}

module.exports = { eachModule }
