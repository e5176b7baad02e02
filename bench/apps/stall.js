'use strict';
// Answers at once; `/stall` keeps the loop for 300 ms, in a function that has a name.
const http = require('node:http');

const server = http.createServer((request, response) => {
  if (request.url === '/stall') formatRows(300);
  response.end('hello');
});

function formatRows(ms) {
  const end = performance.now() + ms;
  let rows = 0;
  while (performance.now() < end) rows += 1;
  return rows;
}

server.listen(process.env.PORT);
