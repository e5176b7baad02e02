'use strict';

const http = require('node:http');

const { WebSocketServer } = require('ws');

const server = http.createServer((request, response) => {
  response.end('open a WebSocket on /echo\n');
});

const sockets = new WebSocketServer({ server, path: '/echo' });

sockets.on('connection', (socket, request) => {
  console.log('connected', request.socket.remoteAddress);
  socket.on('error', (error) => console.error('socket failed:', error.message));
  socket.on('close', (code) => console.log('closed', code));
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? '' : data.toString();
    if (text === 'who am I?') return socket.send(request.socket.remoteAddress);
    if (text.startsWith('close ')) return socket.close(Number(text.slice(6)), 'as you asked');
    socket.send(data, { binary: isBinary });
  });
});

server.listen(process.env.PORT || 3000, () => {
  console.log('listening on', server.address());
});
