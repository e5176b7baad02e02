'use strict';
// A shop: orders in PostgreSQL, their stock from another service over HTTP, a line of log for each request. It is written the
// way such services are, with what breaks them when the traffic becomes real:
//
//   GET  /products/:id        one short query
//   GET  /orders/:id?ms=50    one query that takes so long in the database
//   GET  /orders?ids=50       fifty orders, each with a call to the stock service, all at once
//   POST /orders              a transaction on one connection, which it holds meanwhile
//   GET  /reports?rows=20000  a large answer, made in one go on the event loop
//   GET  /invoices/:id        forgets to give its connection back when there is no such order
//
// PGHOST, PGPORT, PGUSER, PGDATABASE, … say where the database is (`npm run database` starts one), POOL_MAX how many
// connections there are to it,
// STOCK_URL where the stock service is. SHOP_FAULT=event_loop, … switches on one of the seven faults of faults.js.
const express = require('express');
const { Pool } = require('pg');
const pino = require('pino');

const faults = process.env.SHOP_FAULT ? require('./faults.js') : undefined;
const STOCK = process.env.STOCK_URL ?? 'http://127.0.0.1:7070';

const log = pino({ level: process.env.LOG_LEVEL ?? 'info' });
const pool = new Pool({ max: Number(process.env.POOL_MAX ?? 10) });
pool.on('error', (error) => log.warn({ err: error }, 'an idle connection was lost'));

const app = express();
app.use(express.json());

app.use((req, res, next) => {
  const begun = performance.now();
  res.on('finish', () => {
    const ms = Math.round(performance.now() - begun);
    log.info({ method: req.method, url: req.originalUrl, status: res.statusCode, ms }, 'request');
  });
  next();
});

if (faults) app.use(faults);

app.get('/', (req, res) => res.send('shop\n'));

app.get('/products/:id', async (req, res) => {
  const { rows } = await pool.query('select id, name, cents from products where id = $1', [req.params.id]);
  if (rows.length === 0) return res.status(404).json({ error: `no product ${req.params.id}` });
  res.json(rows[0]);
});

app.get('/orders/:id', async (req, res) => {
  const seconds = Number(req.query.ms ?? 0) / 1000;
  const { rows } = await pool.query(
    'select id, product, amount from orders, pg_sleep($2) where id = $1',
    [req.params.id, seconds],
  );
  if (rows.length === 0) return res.status(404).json({ error: `no order ${req.params.id}` });
  res.json(rows[0]);
});

app.get('/orders', async (req, res) => {
  const ids = Array.from({ length: Number(req.query.ids ?? 5) }, (_, index) => index + 1);
  const orders = await Promise.all(ids.map(async (id) => ({ id, stock: await stockOf(id) })));
  res.json(orders);
});

app.post('/orders', async (req, res) => {
  const { product, amount } = req.body;
  const client = await pool.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query(
      'insert into orders (product, amount) values ($1, $2) returning id',
      [product, amount],
    );
    // A call to another service while the connection is held: each order needs one for as long as both take.
    const left = await stockOf(product);
    if (left < amount) {
      await client.query('rollback');
      return res.status(409).json({ error: `only ${left} left` });
    }
    await client.query('commit');
    res.status(201).location(`/orders/${rows[0].id}`).json({ id: rows[0].id, product, amount });
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
});

app.get('/reports', (req, res) => {
  const rows = Array.from({ length: Number(req.query.rows ?? 1000) }, (_, id) => ({
    id,
    product: id % 100,
    name: `product ${id % 100}`,
    amount: 1 + (id % 7),
  }));
  res.json(rows);
});

app.get('/invoices/:id', async (req, res) => {
  const client = await pool.connect();
  const { rows } = await client.query(
    'select o.id, p.name, o.amount * p.cents as cents from orders o join products p on p.id = o.product where o.id = $1',
    [req.params.id],
  );
  if (rows.length === 0) return res.status(404).json({ error: `no order ${req.params.id}` });
  client.release();
  res.json(rows[0]);
});

app.use((error, req, res, next) => {
  log.error({ err: error, url: req.originalUrl }, 'failed');
  if (res.headersSent) return next(error);
  res.status(error.status ?? 500).json({ error: error.message, code: error.code });
});

async function stockOf(id) {
  const response = await fetch(`${STOCK}/stock/${id}`);
  return Number(await response.text());
}

const server = app.listen(process.env.PORT ?? 3000, (error) => {
  if (error) throw error;
  log.info({ address: server.address() }, 'listening');
});
