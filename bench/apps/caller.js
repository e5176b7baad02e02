'use strict'

// Makes calls for `cargo xtask bench downstream`: `GET /run?calls=N&by=http` makes N calls to SERVICE_URL, sixteen at a
// time, and answers with the CPU time that this process took for each, in microseconds.

const http = require('node:http')

const SERVICE = process.env.SERVICE_URL
const AT_ONCE = 16
const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE })

const byHttp = () => new Promise((resolve, reject) => {
  http.get(SERVICE, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject)
})

const ways = {
  http: byHttp,
  fetch: async () => (await fetch(SERVICE)).text()
}

async function run (calls, call) {
  const before = process.cpuUsage()
  const line = async () => { for (let made = 0; made < calls / AT_ONCE; made++) await call() }
  await Promise.all(Array.from({ length: AT_ONCE }, line))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://bench')
  const call = ways[searchParams.get('by')]
  if (!call) return response.end('')
  run(Number(searchParams.get('calls')), call).then((us) => {
    const text = String(us)
    response.setHeader('content-length', text.length)
    response.end(text)
  }, (error) => response.writeHead(500).end(String(error)))
}).listen(Number(process.env.PORT), '127.0.0.1')
