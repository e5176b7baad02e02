'use strict';

// A list as APIs answer it: rows come from somewhere as text and become objects; what belongs to them is asked for, which takes a
// moment, and they live on meanwhile; then each is mapped, and all of them are made text again.
const stored = JSON.stringify(Array.from({ length: 300 }, (_, id) => ({
  id, name: `item ${id}`, price: id * 1.5, tags: ['a', 'b'], stock: { here: id % 7, there: id % 3 }
})));

module.exports = function items(request, response) {
  const rows = JSON.parse(stored);
  setTimeout(() => {
    const list = rows.map((row) => ({
      id: row.id, name: row.name, price: row.price, tags: row.tags, stock: row.stock,
      label: `${row.name} (${row.id})`, total: row.price * 1.2
    }));
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ items: list, count: list.length }));
  }, 5);
};
