'use strict'

// Wants connections for `cargo xtask bench pools`: of the workers that run it only the one that the file at DEMAND names wants
// any, and then all that it can get. The number of a worker is PLIMSOLL_WORKER. What each has in use and since when is
// appended to the file DEMAND.log: a line with the time in milliseconds, the worker, and the number.

const fs = require('node:fs')
const http = require('node:http')
const { createRequire } = require('node:module')
const { Pool } = createRequire(process.env.SHOP)('pg')

const { DEMAND, PLIMSOLL_WORKER: me = '0' } = process.env
const CALLERS = 40
const QUERY_SECONDS = 0.05

const pool = new Pool({ max: Number(process.env.POOL_MAX), idleTimeoutMillis: 0 })
pool.on('error', () => {})
const log = fs.createWriteStream(`${DEMAND}.log`, { flags: 'a' })
let isWanted = false
let inUse = 0
let failed = 0

function count (change) {
  inUse += change
  log.write(`${Date.now()} ${me} ${inUse} ${failed}\n`)
}

async function caller () {
  while (isWanted) {
    try {
      const client = await pool.connect()
      count(+1)
      await client.query('select pg_sleep($1)', [QUERY_SECONDS])
      count(-1)
      client.release()
    } catch {
      failed += 1
      count(0)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

function look () {
  let wanted = ''
  try { wanted = fs.readFileSync(DEMAND, 'utf8') } catch {}
  if ((wanted === me) !== isWanted) {
    isWanted = wanted === me
    if (isWanted) for (let number = 0; number < CALLERS; number++) void caller()
  }
}

http.createServer((request, response) => response.end('mover\n')).listen(Number(process.env.PORT), () => {
  setInterval(look, 5)
})
