// Charts: lines over time, with a reading where the pointer or the arrow keys are.
const HEIGHT = 150;
const TOP = 8;
const BOTTOM = 18;
const LEFT = 46;

// The least round number that is not below. Of what is counted in megabytes, `step` is one of them.
function roundUp(value, step = 1) {
  if (!(value > 0)) return step;
  const power = 10 ** Math.floor(Math.log10(value / step)) * step;
  const digit = [1, 2, 4, 6, 10].find((digit) => digit * power >= value * 0.999);
  return digit * power;
}

// A mark needs no zeros behind the point.
function bare(text) {
  return text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '');
}

// Where a value stands between the bottom (0) and the top (1), and the values to which the axis gives a line.
function linear(top) {
  return { share: (value) => value / top, marks: [0, top / 2, top] };
}

// By powers of ten: what takes 1 ms and what takes 1 s can be read in one picture.
function logarithmic(bottom, top) {
  const [low, high] = [Math.floor(Math.log10(bottom)), Math.max(Math.ceil(Math.log10(top)), Math.floor(Math.log10(bottom)) + 2)];
  const marks = [];
  for (let power = low; power <= high; power += 1) marks.push(10 ** power);
  return { share: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low), marks };
}

// `series` gives [{ name, of: sample => number or null }]; where they are stacked, each stands on those before it.
function Chart(element, { title, unit, series, stacked, least = 0, step = 1, log = false }) {
  const at = make('span', { class: 'at' });
  const legend = make('div', { class: 'legend' });
  const svg = make('svg', { role: 'img', 'aria-label': title, tabindex: '0', preserveAspectRatio: 'none' });
  element.append(make('h3', {}, make('span', {}, title), at), legend, svg);
  let drawn = null;
  let cursor = null;

  function values(sample) {
    let below = 0;
    return drawn.series.map((one) => {
      const value = one.of(sample);
      if (!stacked || value === null) return value;
      below += value;
      return below;
    });
  }

  function draw(samples, from, to) {
    const width = Math.max(svg.clientWidth, 120);
    drawn = { samples, from, to, width, series: series(samples) };
    const rows = samples.map(values);
    const known = rows.flat().filter((value) => value !== null);
    const top = Math.max(least, ...known);
    const scale = log ? logarithmic(Math.min(top, 1, ...known.filter((value) => value > 0)) || 1, top || 1) : linear(roundUp(top, step));
    const x = (t) => LEFT + (t - from) / (to - from) * (width - LEFT - 2);
    const y = (value) => HEIGHT - BOTTOM - scale.share(value) * (HEIGHT - TOP - BOTTOM);
    Object.assign(drawn, { x, y, rows });
    const parts = [];
    scale.marks.forEach((mark, place) => {
      const line = y(mark);
      parts.push(make('line', { class: place ? 'grid' : 'grid base', x1: LEFT, x2: width, y1: line, y2: line }));
      parts.push(make('text', { x: LEFT - 6, y: line + 4, 'text-anchor': 'end' }, bare(unit(mark))));
    });
    for (const t of ticks(from, to, width)) {
      parts.push(make('text', { x: x(t), y: HEIGHT - 3, 'text-anchor': 'middle' }, clock(t, t % 60e3 !== 0)));
    }
    drawn.series.forEach((one, index) => {
      const line = path(samples, rows, index, x, y);
      const color = one.color ?? 's' + index % 9;
      if (stacked) {
        const floor = index ? rows.map((row) => row[index - 1]) : rows.map(() => 0);
        parts.push(make('path', { class: (index ? 'area ' : 'area stack ') + color, d: band(samples, rows, floor, index, x, y) }));
      }
      if (!stacked || index === 0) parts.push(make('path', { class: 'line ' + color, d: line }));
    });
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren(...parts);
    read();
  }

  // What stands in the legend: the values at the cursor, else the latest.
  function read() {
    const { samples, series, x, width } = drawn;
    const index = cursor === null ? samples.length - 1 : nearest(samples, cursor);
    const sample = samples[index];
    const shown = sample ? series.map((one) => [one, one.of(sample)]) : [];
    legend.replaceChildren(...shown.map(([one, value], place) => make(
      'span', {}, make('i', { class: one.color ?? 's' + place % 9 }), one.name, make('b', {}, value === null ? NONE : unit(value)),
    )));
    put(at, cursor === null || !sample ? '' : clock(sample.t, true));
    svg.setAttribute('aria-label', title + '. ' + shown.map(([one, value]) => one.name + ' ' + (value === null ? 'none' : unit(value))).join(', '));
    svg.querySelector('.cursor')?.remove();
    if (cursor !== null && sample) {
      const place = Math.min(x(sample.t), width - 1);
      svg.append(make('line', { class: 'cursor', x1: place, x2: place, y1: TOP, y2: HEIGHT - BOTTOM }));
    }
  }

  follow(svg, () => drawn, (t) => {
    cursor = t;
    if (drawn) read();
  });
  return { draw };
}

// A pointer over it, or the arrow keys in it, choose a time; leaving lets go of it.
function follow(svg, drawn, choose) {
  let index = null;
  svg.addEventListener('pointermove', (event) => {
    const { from, to, width } = drawn() ?? {};
    if (width) choose(from + (event.offsetX - LEFT) / (width - LEFT - 2) * (to - from));
  });
  svg.addEventListener('pointerleave', () => choose(null));
  svg.addEventListener('blur', () => { index = null; choose(null); });
  svg.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const samples = drawn()?.samples ?? [];
    if (!step || !samples.length) return;
    event.preventDefault();
    index = Math.min(Math.max((index ?? samples.length) + step, 0), samples.length - 1);
    choose(samples[index].t);
  });
}

function nearest(samples, t) {
  let best = samples.length - 1;
  for (let index = 0; index < samples.length; index += 1) {
    if (Math.abs(samples[index].t - t) < Math.abs(samples[best].t - t)) best = index;
  }
  return best;
}

function ticks(from, to, width) {
  const least = (to - from) / Math.max(width / 90, 2);
  const step = [10e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1200e3, 1800e3].find((step) => step >= least) ?? 3600e3;
  const all = [];
  for (let t = Math.ceil(from / step) * step; t < to; t += step) {
    if ((t - from) / (to - from) > 0.03 && (t - from) / (to - from) < 0.97) all.push(t);
  }
  return all;
}

// A hole in time is a hole in the line: the sample covers what lies before it.
function isHole(samples, index) {
  return index === 0 || samples[index].t - samples[index].span_ms > samples[index - 1].t + 1500;
}

function path(samples, rows, index, x, y) {
  let text = '';
  let isOpen = false;
  samples.forEach((sample, place) => {
    const value = rows[place][index];
    if (value === null) {
      isOpen = false;
      return;
    }
    const goesOn = isOpen && !isHole(samples, place);
    // A beginning is a dot, for it may be all that there is.
    text += (goesOn ? 'L' : 'M') + x(sample.t).toFixed(1) + ' ' + y(value).toFixed(1) + (goesOn ? '' : 'h.1');
    isOpen = true;
  });
  return text;
}

function band(samples, rows, floor, index, x, y) {
  let text = '';
  let start = 0;
  const close = (end) => {
    let edge = '';
    for (let place = start; place < end; place += 1) edge += (place === start ? 'M' : 'L') + x(samples[place].t).toFixed(1) + ' ' + y(rows[place][index]).toFixed(1);
    for (let place = end - 1; place >= start; place -= 1) edge += 'L' + x(samples[place].t).toFixed(1) + ' ' + y(floor[place]).toFixed(1);
    if (end > start) text += edge + 'Z';
    start = end;
  };
  for (let place = 1; place < samples.length; place += 1) if (isHole(samples, place)) close(place);
  close(samples.length);
  return text;
}

// A small line without axes; what it shows stands beside it as a number.
function sparkline(svg, samples, of, from, to) {
  const width = Math.max(svg.clientWidth, 60);
  const rows = samples.map((sample) => [of(sample)]);
  const top = Math.max(1e-9, ...rows.map((row) => row[0] ?? 0));
  const x = (t) => (t - from) / (to - from) * width;
  const y = (value) => 24 - value / top * 21;
  svg.setAttribute('viewBox', `0 0 ${width} 26`);
  const known = samples.filter((_, index) => rows[index][0] !== null);
  const values = rows.filter((row) => row[0] !== null);
  svg.replaceChildren(
    make('path', { class: 'area', d: band(known, values, values.map(() => 0), 0, x, y) }),
    make('path', { class: 'line', d: path(known, values, 0, x, y) }),
  );
}
