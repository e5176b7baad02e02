'use strict'
// What Node and libraries keep under symbols of their own.

/** The symbol of this object that is described so; undefined: it has none. */
function symbolOf (object, description) {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description)
}

/** What stands under it. */
function hidden (object, description) {
  return object[symbolOf(object, description)]
}

module.exports = { symbolOf, hidden }
