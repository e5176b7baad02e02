'use strict'
// Where what stands in a trunk: see the crate plimsoll-wire, `trunk`. Words of a link are those of the gateway's half; the
// worker's stand WORKER_HALF behind them.
const TRUNK = {
  NAME: 'trunk',
  LINKS: 128,
  STATE: 3,
  WORKER_SLEEPS: 16,
  GATEWAY_SLEEPS: 32,
  TO_WORKER: 48,
  TO_GATEWAY: 64,
  LINK_FIRST: 128,
  LINK_WORDS: 32,
  WORKER_HALF: 16,
  SENT: 0,
  TAKEN: 1,
  SIDE: 2,
  BASE: 3,
  DATA: 20480,
  REQUESTS: 16384,
  ANSWERS: 131072,
  TAKES_LINKS: 1,
  CLOSED: 2,
  OPEN: 1,
  ENDED: 2,
  GONE: 4,
  FULL: 8
}

module.exports = { TRUNK }
