
"use strict";
const read = id => JSON.parse(document.getElementById(id).textContent);
function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const signs = atob(text), found = new Uint8Array(signs.length);
  for (let i = 0; i < found.length; i++) found[i] = signs.charCodeAt(i);
  return found;
}
const head = read("head");
const FAILED = 128, KEPT = 16;

// Pieces of the page: inside it where it is one file, else scripts beside it, the only thing a page
// that was opened as a file may load.
const waiting = new Map();
function interpReport(kind, number, content) { waiting.get(kind + number)?.(content); }

function piece(kind, number) {
  if (head.inline) return Promise.resolve(read(`${kind}-${number}`));
  return new Promise((resolve, reject) => {
    const script = document.createElement("script"), name = `data/${kind}-${String(number).padStart(5, "0")}.js`;
    const gone = () => { waiting.delete(kind + number); script.remove(); };
    waiting.set(kind + number, content => { gone(); resolve(content); });
    script.onerror = () => { gone(); reject(new Error(`${name} is not there. Keep the folder data beside this page.`)); };
    script.src = name;
    document.head.append(script);
  });
}

// The chunks of cards that were used last.
const kept = new Map();
function chunk(number) {
  const found = kept.get(number) ?? piece("part", number);
  kept.delete(number);
  kept.set(number, found);
  found.catch(() => kept.delete(number));
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return found;
}
const details = row => chunk(Math.floor(row / head.chunk)).then(cards => cards[row % head.chunk]);

const Numbers = head.classes.length > 65535 ? Uint32Array : Uint16Array;
const table = {
  predicted: new Numbers(head.count), truth: head.judged ? new Numbers(head.count) : null,
  probability: new Uint16Array(head.count), state: new Uint8Array(head.count), maps: [],
};

async function loadTable(tell) {
  for (let start = 0, number = 0; start < head.count; start += head.rows, number++) {
    const found = await piece("rows", number), of = text => column(bytes(text), found.wide ? Uint32Array : Uint16Array);
    table.predicted.set(of(found.predicted), start);
    if (table.truth && found.truth) table.truth.set(of(found.truth), start);
    table.probability.set(column(bytes(found.probability), Uint16Array), start);
    table.state.set(bytes(found.state), start);
    found.maps.forEach((text, rank) => (table.maps[rank] ??= new Numbers(head.count)).set(of(text), start));
    tell(Math.min(start + head.rows, head.count));
  }
}

// Values are written with the smallest byte first, whatever the order of the machine that reads them.
const SMALLEST_FIRST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
function column(raw, Kind) {
  if (SMALLEST_FIRST) return new Kind(raw.buffer, 0, raw.length / Kind.BYTES_PER_ELEMENT);
  const size = Kind.BYTES_PER_ELEMENT, view = new DataView(raw.buffer), found = new Kind(raw.length / size);
  for (let i = 0; i < found.length; i++) found[i] = size === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
  return found;
}

// Names are loaded when somebody searches them, and stay as one text for each piece.
const named = new Map();
async function namesWith(wanted, still, tell) {
  const mask = new Uint8Array(head.count);
  for (let start = 0, number = 0; start < head.count; start += head.names, number++) {
    if (!named.has(number)) named.set(number, (await piece("names", number)).toLowerCase());
    if (!still()) return null;
    mark(mask, named.get(number), wanted, start);
    tell(Math.min(start + head.names, head.count));
  }
  return mask;
}

function mark(mask, text, wanted, row) {
  let end = text.indexOf("\n"), hit = text.indexOf(wanted);
  while (hit >= 0) {
    while (end >= 0 && end < hit) { row++; end = text.indexOf("\n", end + 1); }
    mask[row] = 1;
    if (end < 0) return;
    hit = text.indexOf(wanted, end + 1);
  }
}

// A class that is called so, or else all whose names have it in them.
function classesOf(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const lower = head.classes.map(name => name.toLowerCase());
  const whole = lower.includes(wanted);
  return Uint8Array.from(lower, (name, number) => number > 0 && (whole ? name === wanted : name.includes(wanted)) ? 1 : 0);
}

const BARS = 20;
// The rows that fit, as numbers, and how many there are by probability, right and wrong.
function filtered(state, names) {
  const { predicted, truth, probability, maps } = table, marks = table.state, all = head.count;
  const found = new Uint32Array(all), right = new Uint32Array(BARS + 1), wrong = new Uint32Array(BARS + 1);
  const classes = classesOf(state.class), role = state.role;
  const inPredicted = !role || role === "predicted", inTrue = truth !== null && (!role || role === "true");
  const ranks = !role || role === "explained" ? maps : [];
  // What lies on an edge is inside, however it was rounded to a 65,535th.
  const low = Math.floor(state.from / 100 * 65535), high = Math.ceil(state.to / 100 * 65535), bar = BARS / 65535;
  const level = state.trust ? head.levels.indexOf(state.trust) : 0, failed = state.only === "failed";
  const onlyWrong = state.only === "wrong", onlyRight = state.only === "right";
  let count = 0;
  for (let row = 0; row < all; row++) {
    const mine = marks[row];
    if (mine === FAILED !== failed) continue;
    if (level !== 0 && mine !== level) continue;
    if (names !== null && names[row] === 0) continue;
    const first = predicted[row], real = truth === null ? 0 : truth[row], bad = real !== 0 && first !== 0 && real !== first;
    if (onlyWrong && !bad || onlyRight && (bad || real === 0)) continue;
    if (classes !== null && !(inPredicted && classes[first] || inTrue && classes[real])) {
      let rank = 0;
      while (rank < ranks.length && classes[ranks[rank][row]] === 0) rank++;
      if (rank === ranks.length) continue;
    }
    const sure = probability[row];
    if (!failed) (bad ? wrong : right)[(sure + 0.5) * bar | 0]++;
    if (failed || sure >= low && sure <= high) found[count++] = row;
  }
  for (const bars of [right, wrong]) bars[BARS - 1] += bars[BARS];
  return { rows: ordered(found.subarray(0, count), state.sort), right: right.subarray(0, BARS), wrong: wrong.subarray(0, BARS) };
}

function ordered(rows, sort) {
  if (sort === "back") return rows.reverse();
  if (sort !== "sure" && sort !== "unsure") return rows;
  // By counting, as there are 65,536 probabilities: alike ones keep the order of their files.
  const { probability } = table, turn = sort === "sure" ? 65535 : 0;
  const starts = new Uint32Array(65537), sorted = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) starts[(probability[rows[i]] ^ turn) + 1]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  for (let i = 0; i < rows.length; i++) sorted[starts[probability[rows[i]] ^ turn]++] = rows[i];
  return sorted;
}
