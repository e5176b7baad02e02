'use strict';
// The stock service: how much there is of a product, after a while.
const http = require('node:http');

const MS = Number(process.env.STOCK_MS ?? 20);

http.createServer((request, response) => {
  setTimeout(() => response.end('17\n'), request.url === '/' ? 0 : MS);
}).listen(process.env.PORT ?? 7070);
