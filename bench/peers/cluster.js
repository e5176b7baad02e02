'use strict'
// node:cluster as most services have it: as many workers as asked for, a new one for each that dies, and on SIGHUP
// a rolling restart: a new worker first, then the old one is disconnected and, after a while, killed.
const cluster = require('node:cluster')

const GRACE_MS = 5000

cluster.setupPrimary({ exec: process.argv[2] })
for (let count = Number(process.env.WORKERS); count > 0; count--) cluster.fork()

const leaving = new Set()
cluster.on('exit', (worker) => {
  if (!leaving.delete(worker.id)) cluster.fork()
})

async function roll () {
  for (const old of Object.values(cluster.workers)) {
    await new Promise((resolve) => cluster.fork().once('listening', resolve))
    leaving.add(old.id)
    old.disconnect()
    const timer = setTimeout(() => old.process.kill('SIGKILL'), GRACE_MS)
    await new Promise((resolve) => old.once('exit', resolve))
    clearTimeout(timer)
  }
  console.log('rolled')
}

process.on('SIGHUP', roll)
process.on('SIGTERM', () => {
  for (const worker of Object.values(cluster.workers)) {
    leaving.add(worker.id)
    worker.process.kill('SIGTERM')
  }
  cluster.disconnect(() => process.exit(0))
})
