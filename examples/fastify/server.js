import { setTimeout as sleep } from 'node:timers/promises';

import Fastify from 'fastify';

const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'info' } });

const user = {
  type: 'object',
  required: ['name'],
  properties: { id: { type: 'string' }, name: { type: 'string' } },
};

app.get('/', async () => ({ hello: 'from fastify' }));

app.get('/users/:id', { schema: { response: { 200: user } } }, async (request, reply) => {
  if (request.params.id !== '1') return reply.code(404).send({ error: `no user ${request.params.id}` });
  return { id: '1', name: 'Ada' };
});

app.post('/users', { schema: { body: user } }, async (request, reply) => {
  reply.code(201);
  return { id: '2', ...request.body };
});

app.get('/whoami', async (request) => ({ ip: request.ip, protocol: request.protocol, hostname: request.hostname }));

app.get('/slow', async (request) => {
  await sleep(Number(request.query.ms ?? 500));
  return { slow: true };
});

app.get('/error', async () => {
  throw new Error('this route always fails');
});

await app.listen({ port: Number(process.env.PORT || 3000), host: process.env.HOST ?? '::' });
console.log('listening on', app.server.address());
