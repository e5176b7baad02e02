'use strict';

// Asks the four servers of `apps/secure.js` (ports in the arguments: https, http2, h2c) who they think we are.

const http2 = require('node:http2');
const https = require('node:https');

const [httpsPort, http2Port, h2cPort] = process.argv.slice(2);
const trusting = { rejectUnauthorized: false };

async function text(stream) {
  let all = '';
  for await (const piece of stream) all += piece;
  return JSON.parse(all);
}

function overHttps(port) {
  return new Promise((resolve, reject) => {
    const request = https.get({ host: '127.0.0.1', port, path: '/https', ...trusting });
    request.on('response', (response) => resolve(text(response)));
    request.on('error', reject);
  });
}

async function overHttp2(authority, path) {
  const session = http2.connect(authority, trusting);
  // Three at once over one connection.
  const streams = ['a', 'b', 'c'].map((name) => session.request({ ':path': `${path}/${name}` }));
  const answers = await Promise.all(streams.map(text));
  session.close();
  return answers;
}

async function main() {
  process.stdout.write(JSON.stringify({
    https: await overHttps(httpsPort),
    http1OfHttp2: await overHttps(http2Port),
    http2: await overHttp2(`https://127.0.0.1:${http2Port}`, '/h2'),
    h2c: await overHttp2(`http://127.0.0.1:${h2cPort}`, '/h2c'),
  }));
}

main();
