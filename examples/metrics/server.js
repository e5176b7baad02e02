'use strict'
// A shop that counts what it does with prom-client, as any Node.js service would: default metrics, a registry of its own,
// and a route for Prometheus. Behind Plimsoll, `curl localhost:9797/metrics` has all workers of it together.
const http = require('node:http')
const client = require('prom-client')

const register = new client.Registry()
client.collectDefaultMetrics({ register })

const orders = new client.Counter({
  name: 'shop_orders_total', help: 'Orders that were taken.', labelNames: ['kind'], registers: [register]
})
const took = new client.Histogram({
  name: 'shop_order_seconds', help: 'How long an order took.', buckets: [0.001, 0.01, 0.1, 1], registers: [register]
})
const carts = new client.Gauge({
  name: 'shop_carts', help: 'Carts that are open.', registers: [register]
})
const largest = new client.Gauge({
  name: 'shop_cart_largest', help: 'The most things in one cart.', aggregator: 'max', registers: [register]
})
const size = new client.Summary({
  name: 'shop_order_size', help: 'Things in an order.', percentiles: [0.5, 0.9], registers: [register]
})

const routes = {
  '/': (query, response) => response.end('a shop\n'),
  '/orders': (query, response) => {
    const end = took.startTimer()
    const things = Number(query.get('things') ?? 1)
    orders.inc({ kind: query.get('kind') ?? 'plain' })
    size.observe(things)
    end()
    response.end('thank you\n')
  },
  '/cart': (query, response) => {
    const things = Number(query.get('things') ?? 1)
    carts.inc()
    largest.set(Math.max(things, largest.hashMap['']?.value ?? 0))
    response.end('in your cart\n')
  },
  '/metrics': async (query, response) => {
    response.setHeader('content-type', register.contentType)
    response.end(await register.metrics())
  }
}

http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://shop')
  const route = routes[pathname]
  if (route) return route(searchParams, response)
  response.statusCode = 404
  response.end('no such page\n')
}).listen(Number(process.env.PORT ?? 3000))
