// Numbers for people. What is not known is a dash, and a unit follows each number that has one.
const NONE = '–';
const NBSP = '\u00a0';

function count(value) {
  return Math.round(value).toLocaleString('en-US');
}

function short(value) {
  if (value >= 1e6) return (value / 1e6).toFixed(value < 1e7 ? 1 : 0) + 'M';
  if (value >= 1e4) return (value / 1e3).toFixed(value < 1e5 ? 1 : 0) + 'k';
  if (value >= 10 || Number.isInteger(value)) return count(value);
  return value.toFixed(1);
}

function perSecond(value) {
  return short(value) + '/s';
}

function milliseconds(ms) {
  if (ms === 0) return '0' + NBSP + 'ms';
  if (ms < 10) return ms.toFixed(ms < 1 ? 2 : 1) + NBSP + 'ms';
  if (ms < 1000) return Math.round(ms) + NBSP + 'ms';
  if (ms < 60000) return (ms / 1000).toFixed(1) + NBSP + 's';
  return (ms / 60000).toFixed(1) + NBSP + 'min';
}

function microseconds(us) {
  return us ? milliseconds(us / 1000) : NONE;
}

function percent(share) {
  const value = share * 100;
  return (value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)) + NBSP + '%';
}

function size(bytes) {
  // Cut off and not rounded, as everywhere else: a number must not be another one here.
  if (bytes >= 2 ** 30) return (Math.floor(bytes * 10 / 2 ** 30) / 10).toFixed(1) + NBSP + 'GB';
  if (bytes >= 2 ** 20) return Math.floor(bytes / 2 ** 20) + NBSP + 'MB';
  if (bytes >= 2 ** 10) return Math.floor(bytes / 2 ** 10) + NBSP + 'kB';
  return bytes + NBSP + 'B';
}

function age(seconds) {
  if (seconds < 60) return seconds + NBSP + 's';
  if (seconds < 3600) return Math.floor(seconds / 60) + NBSP + 'min';
  if (seconds < 86400) return Math.floor(seconds / 3600) + NBSP + 'h ' + Math.floor(seconds / 60) % 60 + NBSP + 'min';
  return Math.floor(seconds / 86400) + NBSP + 'd ' + Math.floor(seconds / 3600) % 24 + NBSP + 'h';
}

function clock(t, seconds) {
  return new Date(t).toLocaleTimeString('en-GB', seconds ? undefined : { hour: '2-digit', minute: '2-digit' });
}

// Elements. Text is only ever set as text: names come from the app, and an app may have any.
function make(tag, attributes, ...children) {
  const element = tag === 'svg' || make.svg.has(tag)
    ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
}
make.svg = new Set(['path', 'line', 'text', 'g', 'rect']);

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function byId(id) {
  return document.getElementById(id);
}
