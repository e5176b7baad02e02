'use strict'
// What the watchdog says, which the addon writes, as tests read it.
const { kinds } = require('../../js/wire.js')

/** From its frame; null for any other. */
function notice ({ kind, fields }) {
  const number = (index) => Number(fields[index])
  const request = (index) => fields[index] === '' ? null : { slot: number(index), word: number(index + 1) }
  if (kind === kinds.WATCHDOG) return { watchdog: number(1), version: number(0) }
  if (kind === kinds.BUSY) return { busy: number(2), slot: number(0), word: number(1) }
  if (kind === kinds.GLIMPSED) return { glimpsed: fields[2], slot: number(0), word: number(1), late: fields[3] === '1' }
  if (kind === kinds.RESUMED) return { resumed: number(0), total: number(1), gc: number(2), cpu: number(3), delayed: number(4), answered: request(5) }
  if (kind === kinds.MEMORY) return { memory: fields[0].split(' ').map(Number) }
  if (kind !== kinds.STALLED) return null
  return { stalled: number(0), at: number(1), running: request(2), stack: fields[4], late: fields[5] === '1' }
}

module.exports = { notice }
