// The stream of the instance, and the controls.
let stream = null;
let isPaused = false;
let due = null;
// What the instance says of why there is no stream.
let refusal = null;

function connect() {
  stream = new EventSource('events');
  stream.addEventListener('history', (event) => {
    data.begin(JSON.parse(event.data));
    earlier.length = 0;
    soon();
  });
  stream.addEventListener('tick', (event) => {
    const tick = JSON.parse(event.data);
    data.add(tick);
    take(tick);
  });
  stream.addEventListener('status', (event) => take(JSON.parse(event.data)));
  stream.addEventListener('full', (event) => { refusal = event.data; });
  stream.onerror = () => {
    say(false, 'lost');
    // What is no stream, as the answer of a proxy in between, ends it for good.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

function take({ status, left }) {
  data.status = status;
  data.left = left;
  refusal = null;
  remember(status);
  say(true, 'live');
  soon();
}

// At most one drawing per frame, and none while nobody looks.
function soon() {
  if (isPaused || document.hidden) return;
  due ??= requestAnimationFrame(() => {
    due = null;
    render();
  });
}

function say(isLive, text) {
  const live = byId('live');
  live.className = 'live ' + (isLive ? 'on' : 'off');
  put(live, isPaused ? 'paused' : text);
  const problem = byId('problem');
  problem.hidden = isLive;
  const lost = 'The instance does not answer; what stands here is the last that it said.';
  put(problem, isLive ? '' : `${refusal ?? lost} It is tried again.`);
}

function choose(hour) {
  data.hour = hour;
  byId('long').setAttribute('aria-pressed', String(hour));
  byId('short').setAttribute('aria-pressed', String(!hour));
  render();
}

function pause() {
  isPaused = !isPaused;
  byId('pause').setAttribute('aria-pressed', String(isPaused));
  put(byId('pause'), isPaused ? 'Go on' : 'Pause');
  put(byId('live'), isPaused ? 'paused' : 'live');
  soon();
}

byId('long').addEventListener('click', () => choose(true));
byId('short').addEventListener('click', () => choose(false));
byId('pause').addEventListener('click', pause);
byId('filter').addEventListener('input', (event) => filter.set(event.target.value));
document.addEventListener('visibilitychange', soon);
window.addEventListener('resize', soon);
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement;
  if (event.key === 'Escape' && isTyping) {
    event.target.value = '';
    filter.set('');
    event.target.blur();
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '/') {
    event.preventDefault();
    byId('filter').focus();
  } else if (event.key === 'p') pause();
  else if (event.key === 'h') choose(!data.hour);
});

// What `doctor` finds, in its words.
const FINDINGS_EVERY_MS = 500;
const FINDINGS_SHOWN = 5;

async function findings() {
  if (!isPaused && !document.hidden) {
    try {
      const answer = await fetch(byId('findings').dataset.from);
      if (answer.ok) renderFindings(await answer.json());
    } catch {
      // The stream tells that the instance is lost.
    }
  }
  setTimeout(findings, FINDINGS_EVERY_MS);
}

function renderFindings({ findings: all, left_out: left, seconds }) {
  byId('findings').hidden = all.length === 0;
  list(byId('findings').querySelector('ol'), all.slice(0, FINDINGS_SHOWN).map((finding) => [`${finding.severity}: ${finding.what}`, details(finding, seconds)]));
  const more = left + Math.max(all.length - FINDINGS_SHOWN, 0);
  byId('findings-more').hidden = more === 0;
  put(byId('findings-more'), `And ${count(more)} more that hurt less: plimsoll doctor`);
}

function details({ cost, seen, at, fix, acts, seconds }, judged) {
  const lately = seconds < judged ? [`only in the last ${seconds} s`] : [];
  const rows = [['costs', cost], ...[...lately, ...seen].map((line) => ['seen', line]), ['at', at], ['fix', fix], ['plimsoll', acts]];
  return rows.filter(([, text]) => text).map(([title, text]) => `${title}: ${text}`).join('\n');
}

connect();
if (byId('findings').dataset.from) findings();
