'use strict';

// Tells who asks, and what the server thinks its own address is.

const http = require('node:http');

const server = http.createServer((request, response) => {
  const { remoteAddress, remoteFamily, remotePort, localAddress, localPort, localFamily } = request.socket;
  response.end(JSON.stringify({
    peer: { remoteAddress, remoteFamily, remotePort },
    local: { localAddress, localPort, localFamily },
    address: request.socket.address(),
    server: server.address(),
    rawHeaders: request.rawHeaders,
  }));
});

const { PORT, HOST } = process.env;
server.listen(PORT, HOST, () => console.log('listening on', JSON.stringify(server.address())));
