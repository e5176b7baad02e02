'use strict';

// The same hello world through Express: what the agent costs beside a framework. PORT is a TCP port or a path.

const express = require('express');

let connections = 0;

const app = express();
app.get('/', (request, response) => {
  response.type('text/plain').send('Hello, world\n');
});
// By these the bench proves that all contenders do the same work.
app.get('/who', (request, response) => response.type('text/plain').send(request.socket.remoteAddress));
app.get('/connections', (request, response) => response.type('text/plain').send(String(connections)));

const where = process.env.PORT ?? '3000';
const server = /^\d+$/.test(where) ? app.listen(Number(where), '127.0.0.1') : app.listen(where);
server.keepAliveTimeout = 0;
server.on('connection', () => { connections += 1; });
