// One strip per worker: how busy its loop was, who waited for it, and when it stood still.
const STRIP = 16;
const STRIPS_MAX = 16;
const LATE_MS = 10;

function Timeline(element) {
  const at = make('span', { class: 'at' });
  const svg = make('svg', { role: 'img', 'aria-label': 'Event loops by worker', tabindex: '0', preserveAspectRatio: 'none' });
  const legend = make('div', { class: 'legend' },
    make('span', {}, make('i', { class: 's0' }), 'loop busy'),
    make('span', {}, make('i', { class: 's1' }), `a request waited over ${LATE_MS} ms to be begun`),
    make('span', {}, make('i', { class: 's2' }), 'loop stood still'));
  const reading = make('span', { role: 'status' });
  const head = make('h3', {}, make('span', {}, 'By worker'), at);
  element.classList.add('chart');
  element.append(head, legend, svg);
  at.append(reading);
  let drawn = null;
  let cursor = null;
  let row = 0;

  function draw(samples, from, to) {
    const width = Math.max(svg.clientWidth, 120);
    const strips = stripsOf(samples);
    const height = Math.max(strips.length, 1) * (STRIP + 4) + BOTTOM;
    const x = (t) => LEFT + Math.max(0, (t - from) / (to - from)) * (width - LEFT - 2);
    drawn = { samples, from, to, width, strips };
    const parts = [];
    strips.forEach((strip, place) => {
      const top = place * (STRIP + 4);
      parts.push(make('rect', { class: 'bed', x: LEFT, y: top, width: width - LEFT - 2, height: STRIP }));
      parts.push(make('text', { x: LEFT - 6, y: top + 12, 'text-anchor': 'end' }, strip.name));
      const marks = { busy: '', late: '', stall: '' };
      samples.forEach((sample, index) => {
        const worker = strip.at[index];
        if (!worker) return;
        const left = x(sample.t - sample.span_ms);
        const right = Math.max(x(sample.t), left + 1);
        const bar = (share) => `M${left.toFixed(1)} ${top + STRIP}V${(top + STRIP * (1 - Math.min(share, 1))).toFixed(1)}H${right.toFixed(1)}V${top + STRIP}Z`;
        const busy = worker.busy_ms / sample.span_ms / strip.size;
        if (busy > 0.02) marks.busy += bar(busy);
        if (worker.late_ms > LATE_MS) marks.late += `M${left.toFixed(1)} ${top}h${Math.max(right - left, 2).toFixed(1)}v4h-${Math.max(right - left, 2).toFixed(1)}Z`;
        if (worker.stalled_ms > 0) {
          const wide = Math.max((right - left) * Math.min(worker.stalled_ms / sample.span_ms, 1), 2.5);
          marks.stall += `M${(right - wide).toFixed(1)} ${top}h${wide.toFixed(1)}v${STRIP}h-${wide.toFixed(1)}Z`;
        }
      });
      for (const kind in marks) parts.push(make('path', { class: kind, d: marks[kind] }));
    });
    for (const t of ticks(from, to, width)) parts.push(make('text', { x: x(t), y: height - 3, 'text-anchor': 'middle' }, clock(t, t % 60e3 !== 0)));
    svg.replaceChildren(...parts);
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.setAttribute('height', height);
    svg.setAttribute('aria-label', 'Event loops by worker. ' + strips.map((strip) => {
      const stalled = strip.at.reduce((sum, worker) => sum + (worker?.stalled_ms ?? 0), 0);
      return `worker ${strip.name}: ${stalled ? 'stood still for ' + milliseconds(stalled) : 'never stood still'}`;
    }).join(', '));
    read();
  }

  function read() {
    const strip = drawn.strips[Math.min(row, drawn.strips.length - 1)];
    const index = nearest(drawn.samples, cursor ?? 0);
    const worker = cursor === null ? null : strip?.at[index];
    if (!worker) return put(reading, '');
    const sample = drawn.samples[index];
    const facts = [
      `${percent(worker.busy_ms / sample.span_ms / strip.size)} busy`,
      `longest wait ${milliseconds(worker.late_ms)}`,
      worker.stalled_ms ? `stood still for ${milliseconds(worker.stalled_ms)}` : '',
    ];
    put(reading, `worker ${strip.name}, ${clock(sample.t, true)}: ${facts.filter(Boolean).join(', ')}`);
  }

  svg.addEventListener('pointermove', (event) => { row = Math.floor(event.offsetY / (STRIP + 4)); });
  svg.addEventListener('keydown', (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !drawn) return;
    event.preventDefault();
    row = Math.min(Math.max(row + step, 0), drawn.strips.length - 1);
    read();
  });
  follow(svg, () => drawn, (t) => {
    cursor = t;
    if (drawn) read();
  });
  return { draw };
}

// Those that have most to show where there are many, in the order of their numbers; the rest is one.
function stripsOf(samples) {
  const by = new Map();
  samples.forEach((sample, index) => {
    for (const worker of sample.workers) {
      if (!by.has(worker.id)) by.set(worker.id, { id: worker.id, name: workerName(worker.id), size: 1, weight: 0, at: [] });
      const strip = by.get(worker.id);
      strip.at[index] = worker;
      strip.weight += worker.stalled_ms * 1000 + worker.late_ms * 10 + worker.busy_ms;
    }
  });
  const all = [...by.values()].sort((one, other) => other.weight - one.weight);
  const shown = all.slice(0, all.length > STRIPS_MAX ? STRIPS_MAX - 1 : STRIPS_MAX).sort((one, other) => one.id - other.id);
  const rest = all.filter((strip) => !shown.includes(strip));
  if (rest.length) {
    const at = samples.map((_, index) => rest.map((strip) => strip.at[index]).filter(Boolean).reduce((sum, worker) => ({
      busy_ms: sum.busy_ms + worker.busy_ms,
      stalled_ms: Math.max(sum.stalled_ms, worker.stalled_ms),
      late_ms: Math.max(sum.late_ms, worker.late_ms),
    }), { busy_ms: 0, stalled_ms: 0, late_ms: 0 }));
    shown.push({ name: `+${rest.length}`, size: rest.length, at });
  }
  return shown;
}

function workerName(id) {
  return id === 65535 ? 'rest' : String(id);
}
