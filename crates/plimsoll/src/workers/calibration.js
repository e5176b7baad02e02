// Run by a process of its own: how many nanoseconds a promise costs more with a hook, or with AsyncLocalStorage. The
// argument has the bits of the hook's callbacks, `storage`, or nothing.
const { createHook, AsyncLocalStorage, AsyncResource } = require('node:async_hooks')
const { readFileSync } = require('node:fs')
// As the crate plimsoll-wire has them.
const CALLBACKS = { init: 1, before: 2, after: 4, destroy: 8, promiseResolve: 16 }
const AWAITS = 4000
const ROUNDS = 9

const nothing = async () => {}
const number = () => new AsyncResource('CALIBRATION').asyncId()

async function many () {
  for (let times = 0; times < AWAITS; times++) await nothing()
}

// Nanoseconds that the main thread has waited for a processor; 0 where the kernel does not count them. This process gives
// way to all others, so that beside a busy app it waits for most of the time.
function waited () {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1])
  } catch {
    return 0
  }
}

// The median of rounds: with collections as they fall, without what else the machine does.
async function measure () {
  const rounds = []
  await many()
  for (let round = 0; round < ROUNDS; round++) {
    const [before, began] = [waited(), process.hrtime.bigint()]
    await many()
    const took = Number(process.hrtime.bigint() - began)
    rounds.push(took - (waited() - before))
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1]
}

async function main (what) {
  const plain = await measure()
  let dear, resources
  const followed = async () => {
    dear = await measure()
    const before = number()
    await many()
    resources = number() - before - 1
  }
  if (what === 'storage') {
    await new AsyncLocalStorage().run({}, followed)
  } else {
    const bits = Number(what)
    const callbacks = {}
    for (const [name, bit] of Object.entries(CALLBACKS)) if (bits & bit) callbacks[name] = () => {}
    createHook(callbacks).enable()
    await followed()
  }
  console.log(Math.max(0, (dear - plain) / resources).toFixed(2))
}

main(process.argv[1])
