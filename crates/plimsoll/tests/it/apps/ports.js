'use strict';

// One HTTP server on PORT that opens, closes and describes others: `/open?{"port":1,…}`, `/close?NAME`.

const http = require('node:http');
const net = require('node:net');

const others = new Map();

const make = {
  http: (name) => http.createServer((request, response) => {
    const { remoteAddress, localPort } = request.socket;
    response.end(JSON.stringify({ name, remoteAddress, localPort }));
  }),
  net: () => net.createServer((socket) => socket.end(`raw ${socket.remoteAddress}`)),
};

function open({ name, kind = 'http', listen }, done) {
  const other = make[kind](name);
  const events = [];
  other.on('listening', () => events.push('listening'));
  other.on('error', ({ code, syscall, address, port, message }) => {
    done({ events, error: { code, syscall, address, port, message }, listening: other.listening });
  });
  other.listen(listen, () => done({ events, address: other.address(), listening: other.listening }));
  others.set(name, other);
}

function close(name, done) {
  others.get(decodeURIComponent(name)).close((error) => done({ closed: name, error: error?.code, address: others.get(decodeURIComponent(name)).address() }));
}

const server = http.createServer((request, response) => {
  const [path, query] = request.url.split('?');
  const done = (result) => response.end(JSON.stringify(result));
  if (path === '/open') open(JSON.parse(decodeURIComponent(query)), done);
  else if (path === '/close') close(query, done);
  else done({ name: 'first' });
});

server.listen(process.env.PORT);
