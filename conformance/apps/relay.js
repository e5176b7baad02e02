'use strict'
// A worker without an agent that is somebody else: bytes go to the server of a script and back. Where no script runs
// yet, it answers by itself, so that it can be seen to be up.
const net = require('node:net')

const READY = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'

net.createServer({ allowHalfOpen: true }, (link) => {
  link.on('error', () => {})
  // Who only looks whether somebody listens is no connection of the script's.
  link.once('data', (first) => {
    const script = net.connect({ port: Number(process.env.WORKER), host: '127.0.0.1', allowHalfOpen: true })
    script.once('error', () => link.end(READY))
    script.once('connect', () => {
      script.removeAllListeners('error')
      script.on('error', () => link.destroy())
      link.on('close', () => script.destroy())
      script.write(first)
      link.pipe(script).pipe(link)
    })
  })
}).listen(Number(process.env.PORT), '127.0.0.1')
