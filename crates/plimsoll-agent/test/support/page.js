'use strict'
// The supervisor's and the gateway's side of the page, through the addon that is being tested.
const fs = require('node:fs')
const { SLOT_FIRST, SLOTS, VERSION, SENT, STATE_MASK } = require('../../js/wire.js')

const MAGIC = Buffer.from('PLIM').readUInt32LE()
const BYTES = (SLOT_FIRST + SLOTS) * 4
const [FREE, STARTED, REVOKED] = [0, 2, 3]

/** A page as the supervisor makes it; `header` and `bytes` for pages that are not right. */
function write (file, { header = [MAGIC, VERSION, SLOTS], bytes = BYTES } = {}) {
  const page = Buffer.alloc(Math.max(bytes, 12))
  header.forEach((word, index) => page.writeUInt32LE(word, index * 4))
  fs.writeFileSync(file, page.subarray(0, bytes), { mode: 0o600 })
}

class Page {
  #file
  #words = null

  constructor (file) {
    this.#file = file
    write(file)
  }

  // Mapped when a test first looks: few do, and some put another file in its place.
  get words () {
    this.#words ??= new Int32Array(require('./addon.js').mapPage(this.#file))
    return this.#words
  }

  /** A request is about to be sent. */
  send (slot) {
    const generation = (Atomics.load(this.words, SLOT_FIRST + slot) & ~STATE_MASK) + 4
    this.set(slot, generation | SENT)
  }

  /** Whether the request was taken back. */
  revoke (slot) {
    const word = Atomics.load(this.words, SLOT_FIRST + slot)
    if ((word & STATE_MASK) !== SENT) return (word & STATE_MASK) === REVOKED
    return Atomics.compareExchange(this.words, SLOT_FIRST + slot, word, word | REVOKED) === word
  }

  set (slot, word) {
    Atomics.store(this.words, SLOT_FIRST + slot, word)
  }

  state (slot) {
    return Atomics.load(this.words, SLOT_FIRST + slot) & STATE_MASK
  }
}

module.exports = { Page, write, FREE, SENT, STARTED, REVOKED }
