'use strict'
// What a claim costs the worker: nanoseconds for each of many claims, the loop that makes the next one ready included.
const page = require(process.argv[2])
const { SENT, SLOTS } = require(process.argv[3])

const ROUND = 5_000_000
const words = new Int32Array(new ArrayBuffer(4 * (64 + SLOTS)))
const places = Array.from({ length: SLOTS }, (_, slot) => page.place(String(slot)))

function round () {
  const begin = process.hrtime.bigint()
  let claimed = 0
  for (let turn = 0; turn < ROUND; turn++) {
    const place = places[turn % 64]
    words[place] = (turn << 2) | SENT
    if (page.start(words, place)) claimed++
  }
  if (claimed !== ROUND) throw new Error(`${claimed} of ${ROUND} were claimed`)
  return Number(process.hrtime.bigint() - begin) / ROUND
}

round()
console.log(JSON.stringify(Array.from({ length: 9 }, round)))
