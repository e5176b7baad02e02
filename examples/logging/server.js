'use strict'

// GET /console, /pino or /winston writes three lines by that logger and answers.
// GET /flood?lines=N writes N lines by pino, five for each of many requests.
// GET /throw ends the process by an error that nobody catches.
const http = require('node:http')
const { randomUUID } = require('node:crypto')
const pino = require('pino')
const winston = require('winston')

const byPino = pino({ level: 'debug' })
const byWinston = winston.createLogger({
  level: 'debug',
  format: winston.format.json(),
  transports: [new winston.transports.Console()]
})

const loggers = {
  '/console': (reqId) => {
    console.log('info: request', reqId)
    console.debug('debug: details of', reqId)
    console.error(new Error(`something is wrong with ${reqId}`))
  },
  '/pino': (reqId) => {
    const log = byPino.child({ reqId })
    log.info('request')
    log.debug({ at: process.uptime() }, 'details')
    log.error(new Error('something is wrong'), 'failed')
  },
  '/winston': (requestId) => {
    byWinston.info('request', { requestId })
    byWinston.debug('details', { requestId, at: process.uptime() })
    byWinston.error('failed', { requestId })
  }
}

function flood (lines) {
  for (let line = 0; line < lines; line += 5) {
    const log = byPino.child({ reqId: randomUUID() })
    for (let step = 0; step < 5; step++) log.info({ step }, 'flooding')
  }
}

http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost')
  if (url.pathname === '/throw') setImmediate(() => { throw new TypeError('nobody catches this') })
  if (url.pathname === '/flood') flood(Number(url.searchParams.get('lines') ?? 1000))
  loggers[url.pathname]?.(request.headers['x-request-id'] ?? randomUUID())
  response.end('logged\n')
}).listen(process.env.PORT ?? 3000, () => console.log('listening'))
