'use strict';
// The seven faults, to be switched on one by one: SHOP_FAULT=event_loop npm start. What finds them: plimsoll doctor.
//
//   event_loop  every product is signed by a hash that blocks the loop
//   downstream  every list of orders asks for fifty of them at once
//   pools       there is one connection to the database
//   context     every promise is followed from its making to its end
//   memory      every product makes thousands of objects, which live for a hundred requests
//   shutdown    SIGTERM is heard, and nothing is done
//   logs        every product writes thousands of lines before it is answered
const { createHook } = require('node:async_hooks');
const { pbkdf2Sync } = require('node:crypto');

const followed = new Map();

/** What is wrong from the start. */
const begin = {
  pools () {
    process.env.POOL_MAX = '1';
  },
  context () {
    createHook({
      init (id, type, trigger) { followed.set(id, { type, trigger }); },
      before (id) { followed.get(id); },
      after (id) { followed.get(id); },
      destroy (id) { followed.delete(id); },
      promiseResolve (id) { followed.get(id); }
    }).enable();
  },
  shutdown () {
    process.on('SIGTERM', () => {});
  }
};

function signProduct (path) {
  return pbkdf2Sync(path, 'salt', 200_000, 64, 'sha512').toString('hex');
}

const lists = [];

function makePriceList () {
  const rows = Array.from({ length: 2000 }, (_, id) => ({ id, name: `product ${id}`, tags: [id, id + 1] }));
  lists.push([rows, rows.map((row) => ({ ...row, cents: row.id * 100 }))]);
  if (lists.length > 100) lists.shift();
}

function tellEverything (path) {
  for (let step = 0; step < 20_000; step++) console.log(`debug: step ${step} of ${path} is done, and all is well so far`);
}

async function manyPromises () {
  for (let step = 0; step < 2000; step++) await null;
}

/** What is wrong with each request. */
const each = {
  'event_loop': (req) => { if (req.path.startsWith('/products')) signProduct(req.path); },
  'downstream': (req) => { if (req.path === '/orders') req.url = '/orders?ids=50'; },
  'context': () => manyPromises(),
  'memory': (req) => { if (req.path.startsWith('/products')) makePriceList(); },
  'logs': (req) => { if (req.path.startsWith('/products')) tellEverything(req.path); }
};

const fault = process.env.SHOP_FAULT;
if (!begin[fault] && !each[fault]) throw new Error(`SHOP_FAULT=${fault}: there is no such fault`);
begin[fault]?.();

module.exports = (req, res, next) => {
  const done = each[fault]?.(req);
  if (done) done.then(() => next(), next);
  else next();
};
