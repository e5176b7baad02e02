'use strict'
// How late this process's loop is, measured while somebody wants to know: a call that has ended is heard of when the loop
// comes to it, and what it waited for that is not the service's time.
const { outside, performance, setTimeout } = require('./apart.js')

const EVERY_MS = 10

const WANTED_MS = 1000

let wantedUntil = 0
let timer = null
let due = 0
let late = 0
let lateAt = -Infinity

/** For the next second it is to be known. */
function follow (now) {
  wantedUntil = now + WANTED_MS
  if (timer === null) again(now)
}

function again (now) {
  due = now + EVERY_MS
  timer = outside(arm)
}

function arm () {
  return setTimeout(look, EVERY_MS).unref()
}

function look () {
  lateAt = performance.now()
  late = Math.max(0, lateAt - due)
  timer = null
  if (lateAt < wantedUntil) again(lateAt)
}

/** How long what is heard of at this moment may have waited. */
function lateBy (now) {
  // The look that was due is as late as everything else; right after it, so was what came with it.
  const overdue = timer === null ? 0 : now - due
  const before = now - lateAt < EVERY_MS ? late : 0
  return Math.max(0, overdue, before)
}

module.exports = { follow, lateBy }
