'use strict'
// Code of the app, run in the midst of ours.

/** For one of many, of which nobody waits for the end: what the app's code throws is the app's error, and the others go on. */
function apart (step) {
  try {
    step()
  } catch (error) {
    process.nextTick(() => { throw error })
  }
}

module.exports = { apart }
