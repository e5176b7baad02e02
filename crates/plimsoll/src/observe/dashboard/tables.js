// The tables: the numbers of `/status`, with rates from the samples.
const STATES = { ready: '', starting: 'warn', draining: 'warn', stopped: 'dim', failed: 'bad' };

const tables = {
  workers: Table(byId('t-workers'), {
    key: (worker) => `${worker.id}/${worker.pid ?? ''}`, shown: 16, words: 'workers',
    columns: [
      { title: 'Worker', text: (worker) => String(worker.id), sort: (worker) => worker.id },
      { title: 'State', text: (worker) => worker.state, sort: (worker) => worker.state, class: (worker) => STATES[worker.state] ?? '' },
      { title: 'Lane', text: (worker) => worker.lane },
      { title: 'Process', text: (worker) => (worker.pid === null ? NONE : String(worker.pid)), number: true, class: () => 'dim' },
      { title: 'Loop', text: (worker) => percent(busyShare(worker.id)), sort: (worker) => busyShare(worker.id), number: true,
        class: (worker) => (busyShare(worker.id) > 0.9 ? 'warn' : '') },
      { title: 'Longest wait', text: (worker) => milliseconds(worker.event_loop.late_ms), sort: (worker) => worker.event_loop.late_ms, number: true },
      { title: 'Stood still', text: (worker) => (worker.event_loop.stalls ? `${count(worker.event_loop.stalls)}× ${milliseconds(worker.event_loop.stalled_ms)}` : NONE),
        sort: (worker) => worker.event_loop.stalled_ms, number: true },
      { title: 'In flight', text: (worker) => count(worker.in_flight), sort: (worker) => worker.in_flight, number: true },
      { title: 'Requests', text: (worker) => count(worker.requests), sort: (worker) => worker.requests, number: true },
      { title: 'Heap', text: (worker) => (worker.memory ? heap(worker.memory) : NONE), sort: (worker) => worker.memory?.heap_used_bytes ?? 0, number: true,
        class: (worker) => (worker.memory?.growth ? 'warn' : '') },
      { title: 'GC', text: (worker) => (worker.memory ? percent(worker.memory.gc_per_mille / 1000) : NONE), sort: (worker) => worker.memory?.gc_per_mille ?? 0, number: true },
      { title: 'Resident', text: (worker) => (worker.pid === null ? NONE : size(worker.rss_bytes)), sort: (worker) => worker.rss_bytes, number: true },
      { title: 'Restarts', text: (worker) => count(worker.restarts), sort: (worker) => worker.restarts, number: true, class: (worker) => (worker.restarts ? 'warn' : 'dim') },
      { title: 'Up', text: (worker) => (worker.pid === null ? NONE : age(worker.uptime_s)), sort: (worker) => worker.uptime_s, number: true },
    ],
  }),
  groups: Table(byId('t-groups'), {
    key: (group) => [group.route, group.place, group.kind].join('\n'), shown: 10, words: 'causes',
    columns: [
      { title: 'Stood still', text: (group) => milliseconds(group.total_ms), sort: (group) => group.total_ms, number: true },
      { title: 'Times', text: (group) => count(group.count), sort: (group) => group.count, number: true },
      { title: 'Worst', text: (group) => milliseconds(group.worst_ms), sort: (group) => group.worst_ms, number: true },
      { title: 'Waited', text: (group) => count(group.waited), sort: (group) => group.waited, number: true },
      { title: 'Route', text: (group) => (group.route ?? 'no request is known') + (group.route_is_guess ? ' (probably)' : ''), sort: (group) => group.route ?? '', class: () => 'name' },
      { title: 'In', text: (group) => group.place ?? KINDS[group.kind] ?? group.kind, note: (group) => group.hint ?? '', class: () => 'text' },
    ],
  }),
  routes: Table(byId('t-routes'), {
    key: (route) => route.route, words: 'routes',
    columns: [
      { title: 'Route', text: (route) => route.route, sort: (route) => route.route, class: () => 'name', note: (route) => heavyNote(route.route) },
      { title: 'Rate', text: (route) => perSecond(routeRate(route.route)), sort: (route) => routeRate(route.route), number: true },
      { title: 'Requests', text: (route) => count(route.requests), sort: (route) => route.requests, number: true },
      { title: 'p50', text: (route) => microseconds(route.p50_us), sort: (route) => route.p50_us, number: true },
      { title: 'p99', text: (route) => microseconds(route.p99_us), sort: (route) => route.p99_us, number: true },
      { title: 'Keeps the loop', text: (route) => microseconds(route.loop_us), sort: (route) => route.loop_us, number: true },
      { title: 'Allocates', text: (route) => (weight(route) ? size(weight(route)) : NONE), sort: weight, number: true },
      { title: 'Errors', text: (route) => count(route.failed), sort: (route) => route.failed, number: true, class: (route) => (route.failed ? 'bad' : 'dim') },
    ],
  }),
  pools: Table(byId('t-pools'), {
    key: (pool) => pool.name, words: 'pools',
    columns: [
      { title: 'Pool', text: (pool) => pool.name, sort: (pool) => pool.name, class: () => 'name', note: (pool) => pool.findings.join(' ') },
      { title: 'In use', text: (pool) => `${count(pool.in_use)} of ${pool.max ? count(pool.max) : 'any'}`, sort: (pool) => pool.in_use, number: true },
      { title: 'Waiting', text: (pool) => count(pool.waiting), sort: (pool) => pool.waiting, number: true, class: (pool) => (pool.waiting ? 'bad' : '') },
      { title: 'Waited', text: (pool) => milliseconds(pool.waited_us / 1000), sort: (pool) => pool.waited_us, number: true },
      { title: 'Rate', text: (pool) => perSecond(pool.rate), sort: (pool) => pool.rate, number: true },
      { title: 'Wait p99', text: (pool) => milliseconds(pool.wait_p99_ms), sort: (pool) => pool.wait_p99_ms, number: true },
      { title: 'Use p99', text: (pool) => milliseconds(pool.use_p99_ms), sort: (pool) => pool.use_p99_ms, number: true },
      { title: 'Needed', text: (pool) => (pool.needed ? count(pool.needed) : NONE), sort: (pool) => pool.needed, number: true },
      { title: 'Gave up', text: (pool) => count(pool.gave_up), sort: (pool) => pool.gave_up, number: true, class: (pool) => (pool.gave_up ? 'bad' : 'dim') },
      { title: 'Size', text: (pool) => (pool.enforced ? 'enforced' : 'observed'), class: () => 'dim' },
    ],
  }),
  downstreams: Table(byId('t-downstreams'), {
    key: (one) => one.origin, words: 'downstreams',
    columns: [
      { title: 'Downstream', text: (one) => one.origin, sort: (one) => one.origin, class: () => 'name', note: (one) => [one.finding, one.hint].filter(Boolean).join('; ') },
      { title: 'In flight', text: (one) => count(one.in_flight) + limit(one), sort: (one) => one.in_flight, number: true },
      { title: 'Rate', text: (one) => perSecond(downstreamRate(one.origin)), sort: (one) => downstreamRate(one.origin), number: true },
      { title: 'Calls', text: (one) => count(one.calls), sort: (one) => one.calls, number: true },
      { title: 'Widest', text: (one) => count(one.fan_out_max), sort: (one) => one.fan_out_max, number: true },
      { title: 'Mean', text: (one) => (one.calls ? milliseconds(one.took_ms / one.calls) : NONE), sort: (one) => one.took_ms / (one.calls || 1), number: true },
      { title: 'Errors', text: (one) => count(one.errors), sort: (one) => one.errors, number: true, class: (one) => (one.errors ? 'bad' : 'dim') },
      { title: 'Queued', text: queued, sort: (one) => (one.enforced ? one.queued : one.would_queue), number: true },
      { title: 'Refused', text: (one) => count(one.refused + one.broken), sort: (one) => one.refused + one.broken, number: true, class: (one) => (one.refused + one.broken ? 'bad' : 'dim') },
      { title: 'Limit', text: (one) => (one.enforced ? (one.adaptive ? 'adaptive' : 'enforced') : 'observed'), class: () => 'dim' },
      { title: 'Breaker', text: breaker, class: (one) => (isOpen(one) ? 'bad' : 'dim') },
    ],
  }),
  sinks: Table(byId('t-sinks'), {
    key: (sink) => sink.name, words: 'sinks',
    columns: [
      { title: 'Sink', text: (sink) => sink.name, class: () => 'name' },
      { title: 'Lines', text: (sink) => count(sink.lines), number: true },
      { title: 'Dropped', text: (sink) => count(sink.dropped_lines), number: true, class: (sink) => (sink.dropped_lines ? 'bad' : 'dim') },
      { title: 'Failures', text: (sink) => count(sink.failures), number: true, class: (sink) => (sink.failures ? 'warn' : 'dim') },
      { title: 'Waiting', text: (sink) => size(sink.queue_bytes), number: true },
      { title: 'Oldest', text: (sink) => milliseconds(sink.queue_age_ms), number: true },
    ],
  }),
};

const KINDS = {
  java_script: 'JavaScript', native_call: 'a native call', garbage_collection: 'garbage collection',
  cpu_throttling: 'CPU throttling of the container', cpu_starvation: 'no CPU was free', stopped: 'the process was stopped', unknown: 'not known',
};

function heap(memory) {
  const limit = memory.heap_limit_bytes ? ` of ${size(memory.heap_limit_bytes)}` : '';
  return size(memory.heap_used_bytes) + limit;
}

function weight(route) {
  return data.status.memory.churn.find((row) => row.route === route.route)?.bytes_per_request ?? 0;
}

// What is only computed stands in brackets: the limit, and what it would have made wait.
function limit({ concurrency, enforced }) {
  if (!concurrency) return '';
  return enforced ? ` of ${count(concurrency)}` : ` (${count(concurrency)})`;
}

function queued(one) {
  return one.enforced || !one.would_queue ? count(one.queued) : `(${count(one.would_queue)})`;
}

function isOpen({ breaker }) {
  return Boolean(breaker?.enforced) && breaker.open_s !== null;
}

function breaker({ breaker: one }) {
  if (!one) return NONE;
  const state = one.open_s === null ? 'closed' : `${one.state === 'half_open' ? 'tried' : 'open'} for ${age(one.open_s)}`;
  return one.enforced ? state : `(${state})`;
}

function heavyNote(route) {
  const heavy = data.status.heavy_routes.find((heavy) => heavy.route === route);
  if (!heavy) return '';
  const mostly = heavy.place ? `, mostly in ${heavy.place}` : '';
  return heavy.is_lifted ? `heavy${mostly}; its lane is lifted` : `heavy${mostly}: kept to workers of its own`;
}

// Rates of routes come from what the status said some seconds ago.
const earlier = [];

function remember(status) {
  earlier.push({ t: performance.now(), requests: new Map(status.routes.map((route) => [route.route, route.requests])) });
  while (earlier.length > 4) earlier.shift();
}

function routeRate(route) {
  const [first, last] = [earlier[0], earlier.at(-1)];
  if (!first || first === last) return 0;
  const requests = (last.requests.get(route) ?? 0) - (first.requests.get(route) ?? last.requests.get(route) ?? 0);
  return Math.max(requests, 0) * 1000 / (last.t - first.t);
}

function downstreamRate(origin) {
  return rate((sample) => find(sample.downstreams, 'name', origin)?.calls ?? 0);
}

function renderTables(status) {
  const processes = [...status.workers, ...status.leaving].sort((one, other) => one.id - other.id);
  tables.workers.show(processes);
  list(byId('worker-notes'), status.workers.flatMap(workerNotes).slice(0, 20));
  tables.groups.show(status.incidents.groups);
  tables.routes.show(status.routes);
  tables.pools.show(status.pools);
  tables.downstreams.show(status.downstreams);
  tables.sinks.show(status.log_sinks);
  byId('no-routes').hidden = status.routes.length > 0;
  put(byId('collections'), collections(status.workers));
  put(byId('lines'), lines(status));
  renderIncidents(status.incidents);
}

function collections(workers) {
  const kinds = workers.flatMap((worker) => worker.memory?.gc ?? []);
  return `${count(total(kinds, (kind) => kind.count))} collections, ${milliseconds(total(kinds, (kind) => kind.total_us) / 1000)} together.`;
}

function lines({ workers, logs, log_sinks: sinks }) {
  const all = total(workers, (worker) => worker.logs?.lines ?? 0);
  const dropped = logs.lost + total(sinks, (sink) => sink.dropped_lines);
  return `${count(all)} lines in all, ${count(logs.sampled + logs.capped)} sampled, ${count(dropped)} dropped, ${count(logs.errors)} errors.`;
}

// What a number cannot say: how the last process ended, and that a heap grows and grows.
function workerNotes({ id, last_death: death, memory }) {
  const notes = [];
  if (death) notes.push([`Worker ${id}: the last one ${death.reason}`, `${age(death.age_s)} ago`]);
  if (memory?.growth) notes.push([`Worker ${id}: ${memory.growth}`, '']);
  return notes;
}

function renderIncidents({ recent, kinds, dropped }) {
  const stalls = total(kinds, (kind) => kind.count);
  const text = stalls ? `${count(stalls)} since the start, ${milliseconds(total(kinds, (kind) => kind.total_ms))} together${dropped ? `; ${count(dropped)} reports were dropped` : ''}.`
    : recent.length ? 'A loop stands still now.' : 'No event loop has stood still since the start.';
  put(byId('no-incidents'), text);
  byId('recent').hidden = recent.length === 0;
  list(byId('recent').querySelector('ol'), recent.map((one) => [one.text, one.end === 'lasts' ? 'lasts' : `${age(one.age_s)} ago`]));
}

function list(element, rows) {
  rows.forEach(([text, note], place) => {
    const item = element.children[place] ?? element.appendChild(make('li', {}, make('span', {}), make('small', {})));
    put(item.firstChild, text);
    put(item.lastChild, note);
  });
  while (element.children.length > rows.length) element.lastChild.remove();
}
