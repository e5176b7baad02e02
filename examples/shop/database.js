'use strict';
// A PostgreSQL of its own for trying the shop: `npm run database`. It lives in DATABASE_DIR (a new directory if not set),
// listens on 127.0.0.1:PORT (5432), allows MAX_CONNECTIONS (100), and ends with this process. The shop is its user `shop`, without a
// password. Nothing of it is safe: it is to be thrown away.
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run, TABLES } = require('./setup.js');

const port = process.env.PORT ?? '5432';
const most = process.env.MAX_CONNECTIONS ?? '100';
const made = process.env.DATABASE_DIR ? undefined : fs.mkdtempSync(path.join(os.tmpdir(), 'shop-'));
const directory = process.env.DATABASE_DIR ?? made;
const data = path.join(directory, 'data');

/** Where initdb and postgres are: Debian keeps them out of PATH, by version. */
function programs() {
  const debian = '/usr/lib/postgresql';
  const versions = fs.existsSync(debian) ? fs.readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => `${debian}/${version}/bin`), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => fs.existsSync(`${folder}/initdb`) && fs.existsSync(`${folder}/postgres`));
}

/** PostgreSQL refuses to run as root: there it is its own user. */
function user() {
  if (process.getuid() !== 0) return {};
  const line = fs.readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith('postgres:'));
  const [, , uid, gid] = line.split(':').map(Number);
  return { uid, gid };
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

async function accepts(settings) {
  for (let tries = 0; tries < 600; tries++) {
    try {
      return await run(settings);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  fail('PostgreSQL does not answer');
}

async function main() {
  const folder = programs();
  if (!folder) fail('PostgreSQL is not installed\nhint: apt-get install postgresql');
  const as = { ...user(), cwd: '/' };
  fs.mkdirSync(data, { recursive: true, mode: 0o700 });
  if (as.uid !== undefined) for (const one of [made, data].filter(Boolean)) fs.chownSync(one, as.uid, as.gid);
  const initdb = spawnSync(`${folder}/initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'], as);
  if (initdb.status !== 0) fail(`initdb failed: ${initdb.stderr}`);
  const settings = {
    port, max_connections: most, listen_addresses: '127.0.0.1', unix_socket_directories: data, fsync: 'off', shared_buffers: '16MB',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(`${folder}/postgres`, ['-D', data, ...options], { ...as, stdio: ['ignore', 'ignore', 'inherit'] });
  server.on('exit', (code) => fail(`PostgreSQL has ended: ${code}`));
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => server.kill('SIGINT'));
  const root = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' };
  await accepts(root);
  await run(root, 'create role shop login', 'create database shop owner shop');
  await run({ ...root, user: 'shop', database: 'shop' }, TABLES);
  console.log(`ready: PGHOST=127.0.0.1 PGPORT=${port} PGUSER=shop PGDATABASE=shop`);
}

main().catch((error) => fail(error.message));
