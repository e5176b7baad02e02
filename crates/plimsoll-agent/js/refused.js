'use strict'
// The errors of calls that are not made. They reach the app as its library's own failures do.

/** It found the queue full, or waited too long. */
function queueError ({ name, limit }, waitedMs) {
  const { concurrency, rate, queue, perRequest, adaptive } = limit
  const limits = []
  if (adaptive) limits.push('what the service was found to stand')
  else if (concurrency > 0) limits.push(`${concurrency} calls in flight`)
  if (rate > 0) limits.push(`${rate} calls per second`)
  if (perRequest > 0) limits.push(`${perRequest} calls per request`)
  const waited = waitedMs < 1 ? `its queue of ${queue} was full` : `it waited ${Math.round(waitedMs)} ms in the queue`
  return refusal('EPLIMSOLL_QUEUE', name, `${waited}, and the limit is ${limits.join(' and ')}`)
}

/** The service fails. */
function breakerError ({ name, breaker }, now) {
  const { why, until, probe } = breaker
  const next = probe === null ? `the next is tried in ${Math.ceil(Math.max(0, until - now))} ms` : 'one is being tried'
  return refusal('EPLIMSOLL_BREAKER', name, `the circuit breaker is open (${why}), and ${next}`)
}

/** It failed before, and too many are made again. */
function retryError ({ name, limit }, retries) {
  const allowed = `${limit.retryPercent} % of the calls in flight, at least ${limit.retryLeast}`
  return refusal('EPLIMSOLL_RETRY', name, `${retries} retries are in flight, and the budget is ${allowed}`)
}

function refusal (code, name, reason) {
  const error = new Error(`a call to ${name} was not made: ${reason}`)
  error.code = code
  error.origin = name
  return error
}

module.exports = { queueError, breakerError, retryError }
