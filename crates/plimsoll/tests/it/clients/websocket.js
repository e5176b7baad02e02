'use strict';

// Talks to the echo of `examples/websocket` on the port given; prints what happened as JSON.

const crypto = require('node:crypto');
const { once } = require('node:events');

const { WebSocket } = require('ws');

const url = `ws://127.0.0.1:${process.argv[2]}/echo`;
const options = { perMessageDeflate: false, headers: { 'X-Custom': '1' } };
const sha = (data) => crypto.createHash('sha256').update(data).digest('hex');
const seen = {};

async function open() {
  const socket = new WebSocket(url, options);
  const [response] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')]).then((all) => all[0]);
  seen.upgrade = [response.statusCode, response.headers.upgrade, response.headers.connection];
  return socket;
}

async function echo(socket, data, send = () => socket.send(data)) {
  const answer = once(socket, 'message');
  send();
  const [back, isBinary] = await answer;
  return { bytes: back.length, same: sha(back) === sha(data), isBinary };
}

function fragments(socket, data, size) {
  for (let at = 0; at < data.length; at += size) {
    socket.send(data.subarray(at, at + size), { binary: true, fin: at + size >= data.length });
    if (at === 0) socket.ping('between fragments');
  }
}

async function closedBy(start) {
  const socket = await open();
  const closed = once(socket, 'close');
  start(socket);
  const [code, reason] = await closed;
  return [code, reason.toString()];
}

async function main() {
  const socket = await open();
  const megabyte = crypto.randomBytes(1024 * 1024);
  seen.text = await echo(socket, 'text with ünïcode');
  seen.empty = await echo(socket, '');
  seen.binary = await echo(socket, Buffer.from([0, 1, 2, 255]));
  for (const bytes of [125, 126, 65535, 65536]) seen[bytes] = await echo(socket, Buffer.alloc(bytes, 'x'));
  seen.megabyte = await echo(socket, megabyte);
  seen.fragmented = await echo(socket, megabyte, () => fragments(socket, megabyte, 10_000));

  const pong = once(socket, 'pong');
  socket.ping('are you there?');
  seen.pong = (await pong)[0].toString();

  let many = 0;
  const all = new Promise((resolve) => {
    socket.on('message', () => {
      many += 1;
      if (many === 1000) resolve();
    });
  });
  for (let i = 0; i < 1000; i += 1) socket.send(`message ${i}`);
  await all;
  socket.removeAllListeners('message');
  seen.many = many;

  const address = once(socket, 'message');
  socket.send('who am I?');
  seen.address = (await address)[0].toString();
  socket.terminate();

  seen.closedByServer = await closedBy((other) => other.send('close 4001'));
  seen.closedByClient = await closedBy((other) => other.close(4002, 'enough'));
  seen.closedWithoutCode = await closedBy((other) => other.close());
  seen.protocolError = await closedBy((other) => other._socket.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0])));

  const refused = new WebSocket(url.replace('/echo', '/nowhere'), options);
  seen.refused = (await once(refused, 'error'))[0].message;
  process.stdout.write(JSON.stringify(seen));
}

main();
