'use strict';
// Reads lines `request|response HEX.HEX.…`, a piece for each write, and answers one line of JSON each: how Node's own HTTP parser frames them.
// `_http_common` is the one door to the parser of `node:http` that all versions have.
process.removeAllListeners('warning');
process.on('warning', () => {});
const { HTTPParser } = require('_http_common');

function frame(kind, pieces) {
  const messages = [];
  const parser = new HTTPParser();
  parser.initialize(kind, {}, 1 << 20, 0);
  let message;
  // Once trailers were seen, the parser hands the start of the next head over by this call.
  let flushed = '';
  parser[HTTPParser.kOnHeaders | 0] = (headers, url) => { flushed += url ?? ''; };
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, headers, method, url, status) => {
    message = { url: (url || flushed).replace(/[^\x00-\x7f]/g, ''), status: status ?? 0, body: 0 };
    flushed = '';
    return 0;
  };
  parser[HTTPParser.kOnBody | 0] = (chunk, offset, length) => {
    // Node 18 passes buffer, offset and length; later versions pass the piece itself.
    message.body += length ?? chunk.length;
  };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    flushed = '';
    messages.push(message);
  };
  let error = null;
  for (const piece of pieces) {
    if (piece.length === 0) continue;
    const result = parser.execute(piece);
    if (result instanceof Error) {
      error = result.code;
      break;
    }
  }
  return { messages, error };
}

const lines = require('node:fs').readFileSync(0, 'latin1').split('\n');
const out = [];
for (const line of lines) {
  if (line === '') continue;
  const [kind, hex] = line.split(' ');
  const type = kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
  out.push(JSON.stringify(frame(type, hex.split('.').map((piece) => Buffer.from(piece, 'hex')))));
}
process.stdout.write(out.join('\n') + '\n');
