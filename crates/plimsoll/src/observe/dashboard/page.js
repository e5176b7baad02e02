// The page itself: what is shown where.
const charts = {
  traffic: Chart(byId('c-traffic'), {
    title: 'Answers by status', unit: perSecond, stacked: true,
    series: () => [['2xx', 2, 's0'], ['3xx', 3, 's7'], ['4xx', 4, 's1'], ['5xx', 5, 's2']].map(([name, at, color]) => (
      { name, color, of: (sample) => inSecond(sample, sample.answers[at] + (at === 2 ? sample.answers[1] + sample.answers[0] : 0)) })),
  }),
  latency: Chart(byId('c-latency'), {
    title: 'Latency', unit: milliseconds, log: true,
    series: () => [['p50', 'p50_us', 's0'], ['p99', 'p99_us', 's1'], ['p99.9', 'p999_us', 's2']].map(([name, field, color]) => (
      { name, color, of: (sample) => (sample[field] ? sample[field] / 1000 : null) })),
  }),
  heap: Chart(byId('c-heap'), {
    title: 'Heap by worker', unit: size, least: 2 ** 25, step: 2 ** 20,
    series: (samples) => byWorker(samples, (row) => row.heap_bytes, (_, row) => row.heap_bytes || null),
  }),
  gc: Chart(byId('c-gc'), {
    title: 'Collecting garbage: share of a loop’s time', unit: percent, least: 0.05,
    series: (samples) => byWorker(samples, (row) => row.gc_ms, (sample, row) => row.gc_ms / sample.span_ms),
  }),
  poolUse: Chart(byId('c-pool-use'), {
    title: 'Connections in use', unit: short, least: 4,
    series: (samples) => byName(samples, 'pools', (row) => row.in_use + row.waiting, (_, row) => row.in_use),
  }),
  poolWait: Chart(byId('c-pool-wait'), {
    title: 'Wait for a connection, mean', unit: milliseconds, least: 5,
    series: (samples) => byName(samples, 'pools', (row) => row.in_use + row.waiting, (_, row) => (row.got ? row.waited_ms / row.got : row.waited_ms)),
  }),
  calls: Chart(byId('c-calls'), {
    title: 'Calls', unit: perSecond, least: 1,
    series: (samples) => byName(samples, 'downstreams', (row) => row.calls, (sample, row) => inSecond(sample, row.calls)),
  }),
  callTime: Chart(byId('c-call-time'), {
    title: 'Duration of a call, mean', unit: milliseconds, least: 5,
    series: (samples) => byName(samples, 'downstreams', (row) => row.calls, (_, row) => (row.calls ? row.took_ms / row.calls : null)),
  }),
  logs: Chart(byId('c-logs'), {
    title: 'Lines', unit: perSecond, least: 1,
    series: () => [['all', 'lines', 's0'], ['errors', 'errors', 's2'], ['sampled', 'sampled', 's7'], ['dropped', 'dropped', 's1']].map(([name, field, color]) => (
      { name, color, of: (sample) => inSecond(sample, sample.logs[field]) })),
  }),
};
const SERIES_MAX = 8;

function byWorker(samples, weight, of) {
  return ranking(samples, (sample) => sample.workers, 'id', weight, SERIES_MAX).map((id) => ({
    name: workerName(id),
    of: (sample) => {
      const row = find(sample.workers, 'id', id);
      return row ? of(sample, row) : null;
    },
  }));
}

function byName(samples, kind, weight, of) {
  return ranking(samples, (sample) => sample[kind], 'name', weight, SERIES_MAX).map((name) => ({
    name,
    of: (sample) => {
      const row = find(sample[kind], 'name', name);
      return row ? of(sample, row) : null;
    },
  }));
}

const timeline = Timeline(byId('timeline'));

// Each tile: a number, what it means, and its last minutes.
const TILES = [
  { label: 'Requests', value: () => [short(rate((sample) => sample.requests)), '/s'], spark: (sample) => inSecond(sample, sample.requests),
    note: (status) => `${count(status.requests.total)} in all` },
  { label: 'Latency p50', value: () => latest('p50_us'), spark: (sample) => sample.p50_us || null, note: () => 'half are faster' },
  { label: 'Latency p99', value: () => latest('p99_us'), spark: (sample) => sample.p99_us || null, note: () => `p99.9 ${latest('p999_us').join('')}` },
  { label: 'Errors (5xx)', value: () => [short(rate(failures)), '/s'], spark: (sample) => inSecond(sample, failures(sample)), bad: () => rate(failures) > 0,
    note: (status) => `${count(status.requests.failed)} by the gateway` },
  { label: 'In flight', value: (status) => [count(total(status.workers, (worker) => worker.in_flight)), ''],
    spark: (sample) => total(sample.workers, (worker) => worker.in_flight),
    note: (status) => `${count(status.requests.rescued)} rescued` },
  { label: 'Busiest loop', value: () => split(percent(busiest().share)), spark: (sample) => Math.max(0, ...sample.workers.map((worker) => worker.busy_ms / sample.span_ms)),
    bad: () => busiest().share > 0.9, note: () => (busiest().id === null ? '' : `worker ${busiest().id}`) },
  { label: 'Stood still', value: () => split(milliseconds(stalledInWindow())), spark: (sample) => total(sample.workers, (worker) => worker.stalled_ms),
    bad: () => rate((sample) => total(sample.workers, (worker) => worker.stalled_ms)) > 0, note: () => (data.hour ? 'in the last hour' : 'in 5 minutes') },
  { label: 'Workers ready', value: (status) => [String(status.workers.filter((worker) => worker.state === 'ready').length), ` of ${more(status, 'workers')}`],
    bad: (status) => status.workers.some((worker) => worker.state === 'failed'),
    note: (status) => `${count(total(status.workers, (worker) => worker.restarts))} restarts` },
];

function split(text) {
  const [value, unit] = text.split(NBSP);
  return [value, NBSP + (unit ?? '')];
}

function latest(field) {
  const sample = data.short.findLast((sample) => sample[field] > 0);
  return sample ? split(microseconds(sample[field])) : [NONE, ''];
}

function stalledInWindow() {
  return total(data.shown().samples, (sample) => total(sample.workers, (worker) => worker.stalled_ms));
}

function busyShare(id) {
  const { samples, span } = data.lately();
  return Math.min(total(samples, (sample) => find(sample.workers, 'id', id)?.busy_ms ?? 0) / span / 1000, 1);
}

function busiest() {
  const all = (data.short.at(-1)?.workers ?? []).map(({ id }) => ({ id, share: busyShare(id) }));
  return all.reduce((most, one) => (one.share > most.share ? one : most), { id: null, share: 0 });
}

// How many there are, also those that did not fit into what was sent.
function more(status, kind) {
  return status[kind].length + (data.left?.[kind] ?? 0);
}

const tiles = TILES.map((tile) => {
  const value = make('span', {});
  const unit = make('small', {});
  const line = make('div', { class: 'value' }, value, unit);
  const note = make('div', { class: 'note' });
  const spark = tile.spark ? make('svg', { class: 'spark', 'aria-hidden': 'true', preserveAspectRatio: 'none' }) : '';
  byId('tiles').append(make('div', { class: 'tile' }, make('div', { class: 'label' }, tile.label), line, note, spark));
  const reading = spark && sparkReading(spark, tile, note);
  return { ...tile, line, unit, note, noteOf: tile.note, svg: spark, reading };
});

// The note of a tile tells the value under the pointer.
function sparkReading(svg, tile, note) {
  const reading = { at: null };
  svg.addEventListener('pointermove', (event) => {
    const { samples, from, to } = data.shown();
    if (!samples.length) return;
    const sample = samples[nearest(samples, from + event.offsetX / svg.clientWidth * (to - from))];
    reading.at = sample;
    const value = tile.spark(sample);
    const text = value === null ? NONE : tile.label.startsWith('Latency') ? microseconds(value)
      : tile.label === 'Busiest loop' ? percent(value) : tile.label === 'Stood still' ? milliseconds(value) : short(value);
    put(note, `${text} at ${clock(sample.t, true)}`);
  });
  svg.addEventListener('pointerleave', () => { reading.at = null; render(); });
  return reading;
}

function renderTiles(status) {
  const { samples, from, to } = data.shown();
  for (const tile of tiles) {
    const [value, unit] = tile.value(status);
    put(tile.line.firstChild, value);
    put(tile.unit, unit);
    tile.line.classList.toggle('bad', Boolean(tile.bad?.(status)));
    if (!tile.reading?.at) put(tile.note, tile.noteOf(status));
    if (tile.svg) sparkline(tile.svg, samples, tile.spark, from, to);
  }
}

function renderCharts(status) {
  const { samples, from, to } = data.shown();
  const draw = (names) => names.forEach((name) => charts[name].draw(samples, from, to));
  draw(['traffic', 'latency', 'heap', 'gc', 'logs']);
  if (status.pools.length) draw(['poolUse', 'poolWait']);
  if (status.downstreams.length) draw(['calls', 'callTime']);
  timeline.draw(samples, from, to);
}

function renderHead(status) {
  document.title = `${status.name}: ${status.state}`;
  put(byId('name'), status.name);
  put(byId('state'), status.reload ? `reloading ${status.reload.renewed} of ${status.reload.of}` : status.state);
  byId('state').className = 'pill ' + status.state;
  put(byId('where'), status.listeners.map((listener) => listener.address).join(', ') || 'not listening yet');
  put(byId('version'), `Plimsoll ${status.version}, process ${status.pid}`);
}

function render() {
  const status = data.status;
  if (!status) return;
  renderHead(status);
  byId('pools').hidden = !status.pools.length;
  byId('downstreams').hidden = !status.downstreams.length;
  renderTables(status);
  renderTiles(status);
  renderCharts(status);
}
