
"use strict";
const read = id => JSON.parse(document.getElementById(id).textContent);
const bytes = text => Uint8Array.from(atob(text), sign => sign.charCodeAt(0));
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
function column(raw, Kind) {
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

// The rows that fit, as numbers, and how many there are by probability, right and wrong.
function filtered(state, names) {
  const { predicted, truth, probability, maps } = table, state_ = table.state;
  const found = new Uint32Array(head.count), right = new Uint32Array(BARS), wrong = new Uint32Array(BARS);
  const classes = classesOf(state.class), role = state.role, only = state.only;
  const inPredicted = !role || role === "predicted", inTrue = truth && (!role || role === "true");
  const ranks = !role || role === "explained" ? maps : [];
  // What lies on an edge is inside, however it was rounded to a 65,535th.
  const low = Math.floor(state.from / 100 * 65535), high = Math.ceil(state.to / 100 * 65535);
  const level = state.trust ? head.levels.indexOf(state.trust) : 0, failed = only === "failed";
  let count = 0;
  for (let row = 0; row < head.count; row++) {
    const mine = state_[row];
    if ((mine === FAILED) !== failed || names && !names[row] || level && mine !== level) continue;
    const bad = truth !== null && truth[row] !== 0 && predicted[row] !== 0 && truth[row] !== predicted[row];
    if (only === "wrong" && !bad || only === "right" && (bad || !truth[row])) continue;
    if (classes) {
      let fits = inPredicted && classes[predicted[row]] || inTrue && classes[truth[row]];
      for (let rank = 0; !fits && rank < ranks.length; rank++) fits = classes[ranks[rank][row]];
      if (!fits) continue;
    }
    const sure = probability[row], bar = Math.min(BARS - 1, Math.floor((sure + 0.5) * BARS / 65535));
    if (!failed) (bad ? wrong : right)[bar]++;
    if (failed || sure >= low && sure <= high) found[count++] = row;
  }
  return { rows: ordered(found.subarray(0, count), state.sort), right, wrong };
}
const BARS = 20;

function ordered(rows, sort) {
  if (sort === "back") return rows.reverse();
  if (sort !== "sure" && sort !== "unsure") return rows;
  // By counting, as there are 65,536 probabilities: alike ones keep the order of their files.
  const key = row => sort === "sure" ? 65535 - table.probability[row] : table.probability[row];
  const starts = new Uint32Array(65537), sorted = new Uint32Array(rows.length);
  for (const row of rows) starts[key(row) + 1]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  for (const row of rows) sorted[starts[key(row)]++] = row;
  return sorted;
}
