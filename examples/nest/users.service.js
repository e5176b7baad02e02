'use strict';

const { Injectable, NotFoundException } = require('@nestjs/common');

const { decorate } = require('./decorate.js');

class UsersService {
  users = new Map([['1', { id: '1', name: 'Ada' }]]);

  find(id) {
    const user = this.users.get(id);
    if (!user) throw new NotFoundException(`no user ${id}`);
    return user;
  }

  create(user) {
    return { id: '2', ...user };
  }
}
decorate(UsersService, [Injectable()]);

module.exports = { UsersService };
