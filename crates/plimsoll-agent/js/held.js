'use strict'
// Who holds a connection of a pool, and since when: kept at the connection itself.

/** When it was taken; 0: nobody holds it; negative: that it is held for long has been told. */
const kSince = Symbol('plimsoll.since')
const kTaker = Symbol('plimsoll.taker')

/** Nobody has held it before. */
function isNew (connection) {
  return connection[kSince] === undefined
}

function isHeld (connection) {
  return Math.abs(connection?.[kSince]) > 0
}

function take (connection, now, taker) {
  connection[kSince] = now
  connection[kTaker] = taker
}

/** Whoever holds it gives it back; `pool` counts for how long it was held, where it is watched. */
function give (connection, pool, now) {
  // One that was taken while nobody watched has not been seen yet, and stays new.
  if (!isHeld(connection)) return
  pool?.give(now - Math.abs(connection[kSince]))
  connection[kSince] = 0
  connection[kTaker] = null
}

/** `visit(since, taker, isTold)` for each that is held, which gives whether it has told it now. */
function visitHeld (connections, visit) {
  for (const connection of connections) {
    if (!isHeld(connection)) continue
    const since = connection[kSince]
    if (visit(Math.abs(since), connection[kTaker], since < 0)) connection[kSince] = -since
  }
}

module.exports = { isNew, isHeld, take, give, visitHeld }
