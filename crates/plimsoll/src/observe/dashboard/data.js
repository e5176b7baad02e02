// What has come from the instance: two rings of samples, and the latest status.
const SHORT_MS = 5 * 60e3;
const LONG_MS = 60 * 60e3;

const data = { short: [], long: [], status: null, hour: false };

function named(fields) {
  return (row) => Object.fromEntries(fields.map((field, place) => [field, row[place]]));
}
const workerOf = named(['id', 'busy_ms', 'stalled_ms', 'stalls', 'late_ms', 'gc_ms', 'heap_bytes', 'rss_bytes', 'in_flight', 'requests']);
const poolOf = named(['name', 'in_use', 'open', 'waiting', 'got', 'waited_ms', 'gave_up', 'max']);
const downstreamOf = named(['name', 'in_flight', 'calls', 'errors', 'took_ms', 'queued', 'waited_ms', 'refused']);

function sampleOf(raw) {
  return { ...raw, workers: raw.workers.map(workerOf), pools: raw.pools.map(poolOf), downstreams: raw.downstreams.map(downstreamOf) };
}

data.begin = ({ short, long }) => {
  data.short = [];
  short.forEach((raw) => data.short.push(smooth(data.short, sampleOf(raw))));
  data.long = long.map(sampleOf);
};

data.add = ({ sample, long }) => {
  push(data.short, smooth(data.short, sampleOf(sample)), SHORT_MS);
  if (long) push(data.long, sampleOf(long), LONG_MS);
};

// Workers report once in a second of their own, so that one second may hear of none and the next of two: what they report is
// the mean of three.
function smooth(ring, sample) {
  const before = ring.slice(-2);
  for (const worker of sample.workers) {
    worker.told = { span: sample.span_ms, busy_ms: worker.busy_ms, gc_ms: worker.gc_ms };
    const all = [...before.map((earlier) => find(earlier.workers, 'id', worker.id)?.told).filter(Boolean), worker.told];
    const span = total(all, (told) => told.span);
    for (const field of ['busy_ms', 'gc_ms']) {
      worker[field] = Math.min(total(all, (told) => told[field]) / span, 1) * sample.span_ms;
    }
  }
  return sample;
}

function push(ring, sample, time) {
  ring.push(sample);
  while (ring.length && ring[0].t < sample.t - time) ring.shift();
}

// The samples of the time that charts show, and where it begins and ends.
data.shown = () => {
  const ring = data.hour ? data.long : data.short;
  const to = data.short.at(-1)?.t ?? ring.at(-1)?.t ?? Date.now();
  // Of an instance that is younger than that, its life fills the charts, and not a corner of them.
  const first = ring[0] ? ring[0].t - ring[0].span_ms : to;
  const from = Math.max(to - (data.hour ? LONG_MS : SHORT_MS), Math.min(first, to - 60e3));
  return { samples: ring.filter((sample) => sample.t >= from), from, to };
};

// What happened within the last seconds: rates are told over three, for workers report once in each.
data.lately = () => {
  const last = data.short.slice(-3);
  const span = last.reduce((sum, sample) => sum + sample.span_ms, 0) / 1000;
  return { samples: last, span: span || 1 };
};

function total(samples, of) {
  return samples.reduce((sum, sample) => sum + of(sample), 0);
}

function rate(of) {
  const { samples, span } = data.lately();
  return total(samples, of) / span;
}

function inSecond(sample, value) {
  return value * 1000 / sample.span_ms;
}

function failures(sample) {
  return sample.answers[5];
}

// Of the workers of a sample, those of one row; the same for pools and downstreams.
function find(rows, field, value) {
  return rows.find((row) => row[field] === value);
}

// Rows that have been there within the time shown, the weightiest first.
function ranking(samples, rows, field, weight, most) {
  const sums = new Map();
  for (const sample of samples) {
    for (const row of rows(sample)) sums.set(row[field], (sums.get(row[field]) ?? 0) + weight(row));
  }
  const all = [...sums].sort((one, other) => other[1] - one[1]).slice(0, most).map(([name]) => name);
  return all.sort((one, other) => (one < other ? -1 : 1));
}
