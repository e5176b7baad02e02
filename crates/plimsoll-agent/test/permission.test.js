'use strict'
const assert = require('node:assert')
const path = require('node:path')
const { test } = require('node:test')
const { App, agent, link, supervisor } = require('./support/index.js')

const [major] = process.versions.node.split('.').map(Number)

// What the supervisor adds to NODE_OPTIONS for a command with --permission; see workers::agent_files.
const allowed = (directory) => [
  `--allow-fs-read=${path.join(agent(), '*')}`,
  `--allow-fs-read=${path.join(directory, '*')}`,
  `--allow-fs-write=${path.join(directory, '*')}`
]

test('under the permission model the agent works without its addon', { skip: major < 20 }, async (t) => {
  const plimsoll = await supervisor(t)
  const app = new App(t, plimsoll, `
    http.createServer((request, response) => response.end(request.socket.remoteAddress)).listen(3000, () => say('up'));
  `, {
    flags: [
      major === 20 ? '--experimental-permission' : '--permission',
      `--allow-fs-read=${path.join(require('node:os').tmpdir(), 'plim-app-*')}`,
      ...(major >= 26 ? ['--allow-net'] : []),
      ...allowed(plimsoll.directory)
    ]
  })
  const { path: at } = await plimsoll.listens.next()
  assert.strictEqual((await plimsoll.hellos.next()).addon, 'ERR_DLOPEN_DISABLED')
  assert.strictEqual(await app.next(), 'up')
  assert.strictEqual((await link(t, at).request({ headers: ['Host: a'] })).status, 200)
})
