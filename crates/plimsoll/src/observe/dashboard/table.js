// Tables that keep their rows: what has not changed is not touched, so that a selection, a focus and a scroll stay.
// `columns`: [{ title, text, sort?, number?, class?, note? }]; `key` names a row.
function Table(table, { columns, key, shown = 20, sorted = null, words = 'rows' }) {
  const body = make('tbody', {});
  const heads = columns.map((column, place) => {
    const head = make('th', { scope: 'col' });
    if (column.number) head.className = 'n';
    if (!column.sort) {
      head.textContent = column.title;
      return head;
    }
    const button = make('button', { type: 'button' }, column.title);
    button.addEventListener('click', () => sortBy(place));
    head.append(button);
    return head;
  });
  table.append(make('thead', {}, make('tr', {}, ...heads)), body);
  const more = make('button', { type: 'button', class: 'more' });
  table.parentElement.append(more);
  more.addEventListener('click', () => { all = !all; render(); });
  const known = new Map();
  let order = sorted;
  let all = false;
  let latest = [];

  function sortBy(place) {
    const falls = order?.place === place ? !order.falls : Boolean(columns[place].number);
    order = { place, falls };
    render();
  }

  function show(rows) {
    latest = rows;
    render();
  }

  function render() {
    let rows = latest.filter((row) => filter.matches(columns.map((column) => column.text(row))));
    heads.forEach((head, place) => {
      if (order?.place === place) head.setAttribute('aria-sort', order.falls ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    if (order) {
      const { sort } = columns[order.place];
      const compare = (one, other) => (sort(one) < sort(other) ? -1 : sort(one) > sort(other) ? 1 : 0);
      rows = [...rows].sort((one, other) => (order.falls ? -compare(one, other) : compare(one, other)));
    }
    const total = rows.length;
    if (!all) rows = rows.slice(0, shown);
    more.hidden = total <= shown;
    put(more, all ? `Show the first ${shown} ${words}` : `Show all ${total} ${words} (${total - shown} more)`);
    table.hidden = latest.length === 0;
    const keys = new Set();
    rows.forEach((row, place) => {
      const name = String(key(row));
      keys.add(name);
      let line = known.get(name);
      if (!line) {
        line = make('tr', { 'data-key': name }, ...columns.map((column) => cell(column)));
        known.set(name, line);
      }
      columns.forEach((column, index) => fill(line.children[index], column, row));
      if (body.children[place] !== line) body.insertBefore(line, body.children[place] ?? null);
    });
    for (const [name, line] of known) {
      if (!keys.has(name)) {
        line.remove();
        known.delete(name);
      }
    }
  }

  filter.changes.push(render);
  return { show };
}

function cell(column) {
  const element = make('td', { 'data-col': column.title });
  element.append(make('span', {}));
  return element;
}

function fill(element, column, row) {
  put(element.firstChild, column.text(row));
  const kind = column.class ? column.class(row) : '';
  const name = ((column.number ? 'n ' : '') + kind).trim();
  if (element.className !== name) element.className = name;
  const note = column.note ? column.note(row) : '';
  if (note && !element.children[1]) element.append(make('small', {}));
  if (element.children[1]) {
    put(element.children[1], note);
    element.children[1].hidden = !note;
  }
}

// One box for all tables.
const filter = {
  text: '',
  changes: [],
  set(text) {
    filter.text = text.trim().toLowerCase();
    filter.changes.forEach((change) => change());
  },
  matches(cells) {
    return !filter.text || cells.some((cell) => cell.toLowerCase().includes(filter.text));
  },
};
