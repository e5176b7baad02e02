'use strict'
// The app of `bench accuracy`: twenty routes that wait for something, as for a database, and then answer. A request that
// says so (`work` milliseconds, `when` before or after the wait) keeps the loop in the function of its route.
const { pbkdf2Sync } = require('node:crypto')
const http = require('node:http')

const rows = Array.from({ length: 2000 }, (_, id) => ({ id, name: `row ${(id * 7919) % 2000}`, tags: ['a', 'b'] }))
const text = JSON.stringify(rows)
const word = 'a'.repeat(20) + '!'
const isOver = (end) => Date.now() >= end

// JavaScript of its own.
function listOrders (end) { let sum = 0; while (!isOver(end)) sum += Math.sqrt(sum + 1); return sum }
function priceBasket (end) { let sum = 0; for (let n = 1; !isOver(end); n++) sum += n % 7; return sum }
function matchOffers (end) { const seen = new Map(); for (let n = 0; !isOver(end); n++) seen.set(n % 512, n); return seen.size }
function drawChart (end) { let line = ''; while (!isOver(end)) line = (line + '#').slice(-80); return line }
// Native calls, one after the other.
function readReport (end) { let count = 0; while (!isOver(end)) count += JSON.parse(text).length; return count }
function importRows (end) { const all = []; while (!isOver(end)) all[0] = JSON.parse(text); return all.length }
function exportRows (end) { let size = 0; while (!isOver(end)) size += JSON.stringify(rows).length; return size }
function cacheKey (end) { let key = ''; while (!isOver(end)) key = JSON.stringify(rows); return key.length }
function checkPassword (end) { let hash; while (!isOver(end)) hash = pbkdf2Sync('a', 'salt', 20_000, 64, 'sha512'); return hash.length }
function signToken (end) { let hash; while (!isOver(end)) hash = pbkdf2Sync('b', 'salt', 20_000, 32, 'sha256'); return hash.length }
function findWords (end) { let found = 0; while (!isOver(end)) found += /^(a+)+$/.test(word) ? 1 : 0; return found }
function checkName (end) { let found = 0; while (!isOver(end)) found += /^(\w+\s?)*$/.test(word) ? 1 : 0; return found }
// Callbacks that native code calls.
function sortRows (end) { while (!isOver(end)) rows.slice().sort((one, other) => one.name.localeCompare(other.name)); return rows.length }
function rankUsers (end) { while (!isOver(end)) rows.slice().sort((one, other) => other.name.localeCompare(one.name)); return rows.length }
function groupRows (end) { let sum = 0; while (!isOver(end)) sum += rows.reduce((total, row) => total + row.name.length, 0); return sum }
function mapRows (end) { let kept = []; while (!isOver(end)) kept = rows.map((row) => row.name + row.id); return kept.length }
// A function that another one calls.
function total (end) { let sum = 0; while (!isOver(end)) sum += Math.cos(sum); return sum }
function closeMonth (end) { return total(end) + 1 }
function fill (end) { let page = ''; while (!isOver(end)) page = rows[0].name.padEnd(40); return page }
function renderPage (end) { return fill(end).length }
function walk (end) { let depth = 0; while (!isOver(end)) depth = Math.max(depth, rows.length); return depth }
function scanTree (end) { return walk(end) + 1 }
function score (end) { let sum = 0; while (!isOver(end)) sum = (sum * 31 + 7) % 1009; return sum }
function suggest (end) { return score(end) + 1 }

// By the first segment of the path, in the order in which the bench knows them.
const routes = {
  orders: listOrders,
  basket: priceBasket,
  offers: matchOffers,
  charts: drawChart,
  reports: readReport,
  imports: importRows,
  exports: exportRows,
  caches: cacheKey,
  logins: checkPassword,
  tokens: signToken,
  words: findWords,
  names: checkName,
  tables: sortRows,
  ranks: rankUsers,
  groups: groupRows,
  maps: mapRows,
  months: closeMonth,
  pages: renderPage,
  trees: scanTree,
  searches: suggest
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function answer (url) {
  const [, name, id] = url.pathname.split('/')
  const work = Number(url.searchParams.get('work') ?? 0)
  const when = url.searchParams.get('when')
  const route = routes[name]
  if (when === 'before') route(Date.now() + work)
  await wait(2 + Number(id) % 9)
  if (when === 'after') route(Date.now() + work)
  return `${name} ${id}\n`
}

http.createServer(async (request, response) => {
  const body = await answer(new URL(request.url, 'http://a'))
  response.writeHead(200, { 'content-length': body.length }).end(body)
}).listen(process.env.PORT)
