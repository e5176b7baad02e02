'use strict';

const express = require('express');
const morgan = require('morgan');

const app = express();
const users = new Map([['1', { id: '1', name: 'Ada' }]]);

app.use(morgan('tiny'));
app.use(express.json());

app.get('/', (req, res) => res.send('hello from express'));

app.get('/users/:id', (req, res) => {
  const user = users.get(req.params.id);
  if (!user) return res.status(404).json({ error: `no user ${req.params.id}` });
  res.json(user);
});

app.post('/users', (req, res) => {
  res.status(201).location('/users/2').json({ id: '2', ...req.body });
});

app.get('/whoami', (req, res) => {
  res.json({ ip: req.ip, ips: req.ips, protocol: req.protocol, hostname: req.hostname });
});

app.get('/old', (req, res) => res.redirect('/users/1'));

app.get('/slow', async (req, res) => {
  await new Promise((resolve) => setTimeout(resolve, Number(req.query.ms ?? 500)));
  res.json({ slow: true });
});

app.get('/error', () => {
  throw new Error('this route always fails');
});

app.use((error, req, res, next) => {
  if (res.headersSent) return next(error);
  res.status(error.status ?? 500).json({ error: error.message });
});

const server = app.listen(process.env.PORT || 3000, (error) => {
  if (error) throw error;
  console.log('listening on', server.address());
});
