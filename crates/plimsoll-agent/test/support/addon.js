'use strict'
// The addon that is being tested. Node loads it as an addon only under the name of one.
const { dlopen } = process

const loaded = { exports: {} }
dlopen(loaded, require('node:path').resolve(process.env.PLIMSOLL_TEST_ADDON))

module.exports = loaded.exports
