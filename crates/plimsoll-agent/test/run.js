'use strict'
// Runs the agent's tests with the Node that runs this file: `node test/run.js [ADDON]`. ADDON is the built shared
// library (`cargo build -p plimsoll-agent --profile agent`); it may also be given as PLIMSOLL_TEST_ADDON.
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const BUILT = path.join(__dirname, '..', '..', '..', 'target', 'agent', 'libplimsoll_agent.so')

const addon = path.resolve(process.argv[2] ?? process.env.PLIMSOLL_TEST_ADDON ?? BUILT)
if (!fs.existsSync(addon)) {
  console.error(`there is no addon at ${addon}\nhint: cargo build -p plimsoll-agent --profile agent`)
  process.exit(2)
}
const tests = fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.js')).map((name) => path.join(__dirname, name))
const [major] = process.versions.node.split('.').map(Number)
// Node 18 has no limit for a whole file; there the runner's caller has one.
const limit = major >= 20 ? ['--test-timeout=60000'] : []
const { status, signal } = spawnSync(process.execPath, ['--test', ...limit, ...tests], {
  stdio: 'inherit',
  env: { ...process.env, PLIMSOLL_TEST_ADDON: addon }
})
process.exit(status ?? (signal ? 1 : 0))
