'use strict'
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { App, PEER, link, supervisor } = require('./support/index.js')
const { write } = require('./support/page.js')

const APP = "http.createServer((request, response) => response.end('hi')).listen(3000, () => say('up'))"

async function reasonWith (t, change) {
  const plimsoll = await supervisor(t)
  const file = path.join(plimsoll.directory, 'page')
  change(file, plimsoll.directory)
  const app = new App(t, plimsoll, APP)
  const { path: at } = await plimsoll.listens.next()
  assert.strictEqual(await app.next(), 'up')
  assert.strictEqual((await link(t, at).request({ headers: ['Host: a'], peer: PEER })).status, 200)
  return (await plimsoll.hellos.next()).addon
}

test('a page that is none is said in Hello, and the app is served without', async (t) => {
  for (const [change, reason] of [
    [(file) => fs.rmSync(file), /^page: open: No such file or directory/],
    [(file) => write(file, { bytes: 12 }), /^page: 12 bytes long, not 4352$/],
    [(file) => write(file, { bytes: 8192 }), /^page: 8192 bytes long, not 4352$/],
    [(file) => write(file, { header: [0, 2, 1024] }), /^page: says 0x0 2 1024, not 0x4d494c50 2 1024$/],
    [(file) => write(file, { header: [0x4d494c50, 3, 1024] }), /^page: says 0x4d494c50 3 1024/],
    [(file) => write(file, { header: [0x4d494c50, 2, 1 << 30] }), /^page: says .* 1073741824/],
    [(file) => { fs.rmSync(file); fs.mkdirSync(file) }, /^page: open: Is a directory/],
    [(file) => { fs.rmSync(file); fs.symlinkSync('/dev/null', file) }, /^page: not a file of this user$/],
    [(file) => { fs.rmSync(file); fs.symlinkSync('nowhere', file) }, /^page: open: /]
  ]) assert.match(await reasonWith(t, change), reason)
})

test('a page elsewhere, behind a link of the file system, is a page', async (t) => {
  const reason = await reasonWith(t, (file, directory) => {
    const real = path.join(directory, 'elsewhere')
    fs.renameSync(file, real)
    fs.symlinkSync(real, file)
  })
  assert.strictEqual(reason, '')
})

test('the addon never throws, whatever it is asked for', () => {
  const { mapPage } = require('./support/addon.js')
  for (const path of [undefined, 7, {}, '', '\0', 'a\0b', 'x'.repeat(5000), '/']) {
    assert.strictEqual(typeof mapPage(path), 'string', String(path).slice(0, 9))
  }
  assert.strictEqual(typeof mapPage(), 'string')
})
