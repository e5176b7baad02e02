'use strict';
// Makes the tables, once: `npm run setup`.
const { Client } = require('pg');

const TABLES = `
  create table if not exists products (id int primary key, name text not null, cents int not null);
  create table if not exists orders (id serial primary key, product int not null, amount int not null);
  insert into products select id, 'product ' || id, 100 * id from generate_series(1, 100) id on conflict do nothing;
  insert into orders (product, amount)
    select 1 + id % 100, 1 + id % 7 from generate_series(1, 1000) id where not exists (select from orders);
`;

async function run(settings, ...statements) {
  const client = new Client(settings);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

module.exports = { run, TABLES };

if (require.main === module) {
  run({}, TABLES).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
