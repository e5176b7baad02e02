'use strict';

// An app with a life: slow requests, blocked loops, chatter, and a farewell on SIGTERM.

const fs = require('node:fs');
const http = require('node:http');

const routes = {
  '/': (url, response) => response.end(process.env.PLIMSOLL_WORKER ?? 'none'),
  '/pid': (url, response) => response.end(String(process.pid)),
  '/slow'(url, response) {
    console.log('slow started');
    setTimeout(() => response.end('slow but done'), Number(url.searchParams.get('ms')));
  },
  // Answers once `/release` is asked for.
  '/hold'(url, response) {
    console.log('hold started');
    held.push(response);
  },
  '/release'(url, response) {
    for (const other of held.splice(0)) other.end('released');
    response.end('ok');
  },
  // Until the file is there.
  '/block'(url, response) {
    response.end('blocking');
    response.on('finish', () => setImmediate(() => {
      console.log('blocked');
      const nap = new Int32Array(new SharedArrayBuffer(4));
      while (!fs.existsSync(url.searchParams.get('until'))) Atomics.wait(nap, 0, 0, 2);
      console.log('free');
    }));
  },
  '/chatter'(url, response) {
    const id = process.env.PLIMSOLL_WORKER ?? '0';
    for (let i = 0; i < 2000; i += 1) process.stdout.write(`<${id.repeat(50 + (i % 100))}>\n`);
    response.end('said');
  },
  '/env': (url, response) => response.end(JSON.stringify({
    argv: process.argv.slice(2), cwd: process.cwd(), execArgv: process.execArgv,
    env: { ...process.env }, stdin: fs.readlinkSync('/proc/self/fd/0'),
  })),
};

const held = [];

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://a');
  routes[url.pathname](url, response);
});

process.on('SIGTERM', () => {
  console.log('told to stop');
  server.close(() => process.exit(0));
});

server.listen(process.env.PORT);
