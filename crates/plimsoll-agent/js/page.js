'use strict'
// The page of memory that the worker shares with the gateway: how far the request of each link has come. What its
// words mean is told in the crate plimsoll-wire, `page`; the addon checks that the file is one.
const path = require('node:path')
const { addon } = require('./addon.js')
const { PAGE_FILE, PAGE_MISSING, SENT, SLOTS, SLOT_FIRST, STATE_MASK } = require('./wire.js')

let current = null

/** Maps the process's page, once: `{ words, reason }`; `words` is null where there is none, and `reason` says why. */
function open (directory) {
  current ??= map(directory)
  return current
}

function map (directory) {
  const { mapPage, reason } = addon()
  if (!mapPage) return { words: null, reason }
  const mapped = mapPage(path.join(directory, PAGE_FILE))
  if (mapped instanceof ArrayBuffer) return { words: new Int32Array(mapped), reason: '' }
  return { words: null, reason: PAGE_MISSING + (mapped ?? 'this build of Node.js cannot share memory') }
}

function words () {
  return current === null ? null : current.words
}

/** Where the word of a slot stands; -1 for what is not the number of one. */
function place (slot) {
  return /^\d{1,4}$/.test(slot) && Number(slot) < SLOTS ? SLOT_FIRST + Number(slot) : -1
}

/**
 * Claims the request of the slot at `place`. Gives the word it is claimed with; 0 where the gateway has taken it
 * back: it must not run.
 */
function start (words, place) {
  const word = Atomics.load(words, place)
  // STARTED is the state after SENT, and never 0. Whatever else the word says, the request was not sent to be run.
  return (word & STATE_MASK) === SENT && Atomics.compareExchange(words, place, word, word + 1) === word ? word + 1 : 0
}

module.exports = { open, words, place, start }
