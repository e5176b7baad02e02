'use strict'
// A gateway for tests: one link to a worker, raw.
const net = require('node:net')
const { PEER_HEADER } = require('../../js/wire.js')

const PEER = '203.0.113.7 40001 192.0.2.1 3000'

class Link {
  constructor (path) {
    this.path = path
    this.socket = net.connect(path)
    this.received = ''
    this.ended = new Promise((resolve) => this.socket.on('close', resolve))
    this.socket.on('error', () => {})
    this.socket.setEncoding('latin1').on('data', (text) => {
      this.received += text
      this.wake?.()
    })
    this.socket.on('close', () => this.wake?.())
  }

  write (bytes) {
    this.socket.write(bytes, 'latin1')
    return this
  }

  /** Sends a request as the gateway does, with the private header last, and reads its answer. */
  request ({ head = 'GET / HTTP/1.1', headers = ['Host: test'], peer = PEER, body = '' } = {}) {
    const own = peer === null ? [] : [`${PEER_HEADER}: ${peer}`]
    this.write([head, ...headers, ...own, '', body].join('\r\n'))
    return this.response()
  }

  /** The next response with a Content-Length, or a bare head. */
  async response () {
    const head = await this.until(/^[^]*?\r\n\r\n/)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    const body = await this.until(new RegExp(`^[^]{${length}}`))
    return { status: Number(head.split(' ')[1]), head, body }
  }

  async until (pattern) {
    for (;;) {
      const match = pattern.exec(this.received)
      if (match) {
        this.received = this.received.slice(match[0].length)
        return match[0]
      }
      if (this.socket.destroyed) throw new Error(`the link was closed; received ${JSON.stringify(this.received)}`)
      await new Promise((resolve) => { this.wake = resolve })
    }
  }

  close () {
    this.socket.destroy()
  }
}

/** Opens a link that is closed with the test. */
function link (t, path) {
  const one = new Link(path)
  t.after(() => one.close())
  return one
}

module.exports = { link, PEER }
