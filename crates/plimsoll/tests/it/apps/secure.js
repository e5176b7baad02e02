'use strict';

// One server of each kind that Plimsoll does not speak itself, and HTTP/1.1 beside them on PORT.

const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');

const options = {
  key: fs.readFileSync(process.env.KEY),
  cert: fs.readFileSync(process.env.CERTIFICATE),
};

function answer(request, response) {
  const { socket } = request;
  const { remoteAddress, remoteFamily, encrypted, alpnProtocol } = socket;
  const remotePort = typeof socket.remotePort;
  const ours = Object.keys(servers).find((name) => Number(process.env[name]) === socket.localPort);
  response.end(JSON.stringify({
    url: request.url, httpVersion: request.httpVersion, remoteAddress, remoteFamily, remotePort, ours, encrypted, alpnProtocol,
  }));
}

const servers = {
  HTTPS_PORT: https.createServer(options, answer),
  HTTP2_PORT: http2.createSecureServer({ ...options, allowHTTP1: true }, answer),
  H2C_PORT: http2.createServer(answer),
  PORT: http.createServer(answer),
};

let listening = 0;
for (const [name, server] of Object.entries(servers)) {
  server.listen(process.env[name], () => {
    listening += 1;
    if (listening === 4) console.log('all listen');
  });
}
