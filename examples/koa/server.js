'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { bodyParser } = require('@koa/bodyparser');
const Router = require('@koa/router');
const Koa = require('koa');

const app = new Koa();
const router = new Router();

router.get('/', (ctx) => {
  ctx.body = 'hello from koa';
});

router.get('/users/:id', (ctx) => {
  if (ctx.params.id !== '1') ctx.throw(404, `no user ${ctx.params.id}`);
  ctx.body = { id: '1', name: 'Ada' };
});

router.post('/users', (ctx) => {
  ctx.status = 201;
  ctx.body = { id: '2', ...ctx.request.body };
});

router.get('/whoami', (ctx) => {
  ctx.body = { ip: ctx.ip, protocol: ctx.protocol, hostname: ctx.hostname };
});

router.get('/slow', async (ctx) => {
  await sleep(Number(ctx.query.ms ?? 500));
  ctx.body = { slow: true };
});

router.get('/error', () => {
  throw new Error('this route always fails');
});

app.use(async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    ctx.status = error.status ?? 500;
    ctx.body = { error: error.message };
  }
  console.log(ctx.method, ctx.url, ctx.status);
});
app.use(bodyParser());
app.use(router.routes());
app.use(router.allowedMethods());

const server = app.listen(process.env.PORT || 3000, () => {
  console.log('listening on', server.address());
});
