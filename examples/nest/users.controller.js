'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { Body, Controller, Get, Ip, Param, Post, Query } = require('@nestjs/common');

const { decorate, decorateMethod } = require('./decorate.js');
const { UsersService } = require('./users.service.js');

class UsersController {
  constructor(users) {
    this.users = users;
  }

  home() {
    return 'hello from nest';
  }

  find(id) {
    return this.users.find(id);
  }

  create(user) {
    return this.users.create(user);
  }

  whoami(ip) {
    return { ip };
  }

  async slow(ms = 500) {
    await sleep(Number(ms));
    return { slow: true };
  }

  error() {
    throw new Error('this route always fails');
  }
}
decorate(UsersController, [Controller()], [UsersService]);
decorateMethod(UsersController, 'home', [Get()]);
decorateMethod(UsersController, 'find', [Get('users/:id')], [Param('id')]);
decorateMethod(UsersController, 'create', [Post('users')], [Body()]);
decorateMethod(UsersController, 'whoami', [Get('whoami')], [Ip()]);
decorateMethod(UsersController, 'slow', [Get('slow')], [Query('ms')]);
decorateMethod(UsersController, 'error', [Get('error')]);

module.exports = { UsersController };
