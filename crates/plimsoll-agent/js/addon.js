'use strict'
// The native half. It is an addition: every caller copes with its absence.
const path = require('node:path')

const REASON_MAX = 200

let loaded

/** The addon's functions and `reason`: it is empty, or says why the addon cannot be loaded, and all else is missing. */
function addon () {
  loaded ??= load()
  return loaded
}

function load () {
  try {
    const { peerName = null, mapPage = null, watch = null, wake, left, follow, tellAllocated, openTrunk } = require(path.join(__dirname, 'addon.node'))
    return { peerName, mapPage, watch, wake, left, follow, tellAllocated, openTrunk, reason: '' }
  } catch (error) {
    const reason = error.code === 'ERR_DLOPEN_DISABLED' ? error.code : String(error.message).split('\n')[0]
    return { peerName: null, mapPage: null, watch: null, reason: reason.slice(0, REASON_MAX) || 'unknown' }
  }
}

module.exports = { addon }
