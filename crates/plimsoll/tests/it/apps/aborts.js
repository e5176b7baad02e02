'use strict';

// Keeps a diary of what happens to its requests; `/diary` reads it.

const http = require('node:http');

const diary = [];

function watch(name, emitter, events) {
  for (const event of events) emitter.on(event, (error) => diary.push([name, event, error?.code ?? null]));
}

const routes = {
  '/diary': (request, response) => response.end(JSON.stringify(diary)),
  '/hang': () => diary.push(['app', 'started', null]),
  '/drip'(request, response) {
    const timer = setInterval(() => response.write('drip '), 5);
    response.on('close', () => clearInterval(timer));
  },
  '/read'(request, response) {
    diary.push(['app', 'started', null]);
    request.on('end', () => response.end('read'));
    request.resume();
  },
  // Cuts its own answer: in chunks, or short of the length it gave.
  '/die-in-chunks'(request, response) {
    response.write('half an ans');
    setTimeout(() => request.socket.destroy(), 20);
  },
  '/die-of-length'(request, response) {
    response.writeHead(200, { 'Content-Length': 1000 });
    response.write('half an ans');
    setTimeout(() => response.destroy(), 20);
  },
  '/end-early'(request, response) {
    response.writeHead(413, { Connection: 'close' }).end('too much');
  },
  '/answer-at-once'(request, response) {
    response.end('no need to read');
  },
  '/late'(request, response) {
    request.resume();
    request.on('end', () => setTimeout(() => response.end('late but whole'), 50));
  },
  '/smuggled'(request, response) {
    diary.push(['app', 'smuggled', null]);
    response.end('!');
  },
};

const server = http.createServer((request, response) => {
  if (request.url !== '/diary') {
    watch('request', request, ['aborted', 'error', 'close', 'end']);
    watch('response', response, ['close', 'finish']);
  }
  routes[request.url](request, response);
});

server.listen(process.env.PORT);
