'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const Hapi = require('@hapi/hapi');

const server = Hapi.server({ port: process.env.PORT || 3000 });

server.route([
  { method: 'GET', path: '/', handler: () => 'hello from hapi' },
  {
    method: 'GET',
    path: '/users/{id}',
    handler: (request, h) =>
      request.params.id === '1'
        ? { id: '1', name: 'Ada' }
        : h.response({ error: `no user ${request.params.id}` }).code(404),
  },
  {
    method: 'POST',
    path: '/users',
    handler: (request, h) => h.response({ id: '2', ...request.payload }).code(201),
  },
  {
    method: 'GET',
    path: '/whoami',
    handler: ({ info, server }) => ({ ip: info.remoteAddress, protocol: server.info.protocol, hostname: info.hostname }),
  },
  {
    method: 'GET',
    path: '/slow',
    handler: async (request) => {
      await sleep(Number(request.query.ms ?? 500));
      return { slow: true };
    },
  },
  {
    method: 'GET',
    path: '/error',
    handler: () => {
      throw new Error('this route always fails');
    },
  },
]);

server.start().then(() => console.log('listening on', server.listener.address()));
