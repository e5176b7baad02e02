'use strict'
// What happens to a request that the gateway has taken back: nothing of the app ever sees it, and the link lives on.
const { MARKER } = require('./wire.js')

/** In place of Node's `onIncoming`, with the same result: the parser goes on with the body, if there is one. */
function dismiss (socket, request, keepAlive) {
  const { parser, server } = socket
  // Without this Node would leave HTTP after the head of an upgrade.
  request.upgrade = false
  // Node tells the server when the rest of a request does not come or makes no sense. This server is not told.
  socket.server = quiet(socket)
  request.once('end', () => {
    socket.server = server
    if (parser.incoming === request) parser.incoming = null
    if (keepAlive) socket.write(MARKER, 'latin1')
    else socket.end(MARKER, 'latin1')
  })
  request.resume()
  return 0
}

function quiet (socket) {
  return {
    emit () {
      socket.destroy()
      return true
    }
  }
}

module.exports = { dismiss }
