'use strict';
// Heavy and light requests that say who served them. `/held` lasts until a file is there, and says how many of its kind
// there were at once; `/cold` does so too, after it has kept the loop as what loads code does.
const fs = require('node:fs');
const http = require('node:http');

const { PLIMSOLL_WORKER: worker, PORT } = process.env;
let held = 0;
let most = 0;

const routes = {
  '/light': (response) => response.end(worker),
  '/heavy'(response) {
    for (const end = performance.now() + 80; performance.now() < end;);
    response.end(worker);
  },
  async '/later'(response) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    routes['/heavy'](response);
  },
  '/cold'(response, parameters) {
    for (const end = performance.now() + 80; performance.now() < end;);
    routes['/held'](response, parameters);
  },
  '/held'(response, parameters) {
    most = Math.max(most, ++held);
    fs.writeFileSync(`${parameters.get('until')}.begun`, '');
    const timer = setInterval(() => {
      if (!fs.existsSync(parameters.get('until'))) return;
      clearInterval(timer);
      held--;
      response.end(`${worker} ${most}`);
    }, 5);
  },
};

http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://a');
  routes[pathname](response, searchParams);
}).listen(PORT);
