'use strict';

require('reflect-metadata');

const { NestFactory } = require('@nestjs/core');

const { AppModule } = require('./app.module.js');

async function main() {
  const app = await NestFactory.create(AppModule);
  app.enableShutdownHooks();
  await app.listen(process.env.PORT || 3000);
  console.log('listening on', app.getHttpServer().address());
}

main();
