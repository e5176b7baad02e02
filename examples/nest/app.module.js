'use strict';

const { Module } = require('@nestjs/common');

const { decorate } = require('./decorate.js');
const { UsersController } = require('./users.controller.js');
const { UsersService } = require('./users.service.js');

class AppModule {}
decorate(AppModule, [Module({ controllers: [UsersController], providers: [UsersService] })]);

module.exports = { AppModule };
