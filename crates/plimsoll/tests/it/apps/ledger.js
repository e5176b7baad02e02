'use strict';
// Writes every execution into a file before it answers, so that nothing that ran can be denied afterwards.
const fs = require('node:fs');
const http = require('node:http');

const ledger = fs.openSync(process.env.LEDGER, 'a');
const note = (line) => fs.writeSync(ledger, `${line}\n`);

/** Blocks the loop until the file is there: as long as the test likes. */
function blockUntil(file) {
  note('blocked');
  const nap = new Int32Array(new SharedArrayBuffer(4));
  while (!fs.existsSync(file)) Atomics.wait(nap, 0, 0, 2);
}

http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://a');
  if (pathname === '/block') {
    blockUntil(searchParams.get('until'));
    response.end('unblocked');
    return;
  }
  let bytes = 0;
  note(`start ${searchParams.get('id')}`);
  request.on('data', (chunk) => { bytes += chunk.length; });
  request.on('end', () => {
    note(`run ${searchParams.get('id')}`);
    response.end(String(bytes));
  });
}).listen(process.env.PORT);
