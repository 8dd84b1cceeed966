
const PAGE = 50;
const USUAL = { find: "", class: "", role: "", from: 0, to: 100, only: "", trust: "", sort: "", page: 1, view: "" };
const of = id => document.getElementById(id);
const count = value => value.toLocaleString("en");
let state = { ...USUAL }, names = null, searched = "", result = { rows: [] };

// The whole view stands in the address, so that it can be linked.
function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)), found = { ...USUAL };
  for (const key of Object.keys(USUAL)) {
    if (!given.has(key)) continue;
    const text = given.get(key);
    if (typeof USUAL[key] === "number") { if (text !== "" && Number.isFinite(Number(text))) found[key] = Number(text); }
    else found[key] = text;
  }
  return found;
}
function toAddress() {
  const told = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) if (value !== USUAL[key]) told.set(key, value);
  return "#" + told;
}

// What was typed replaces the address, what was chosen can be gone back from.
function change(part, replace) {
  state = { ...state, page: 1, ...part };
  const address = toAddress();
  if (replace) location.replace(address);
  else if (address !== (location.hash || "#")) location.hash = address;
  return update();
}
addEventListener("hashchange", () => {
  if (toAddress() === (location.hash || "#")) return;
  state = fromAddress();
  update();
});

async function update() {
  const mine = state;
  fields();
  const wanted = state.find.trim().toLowerCase();
  if (wanted !== searched || wanted && !names) {
    names = null;
    searched = wanted;
    if (wanted) {
      try { names = await namesWith(wanted, () => state.find === mine.find, done => { if (done < head.count) of("shown").textContent = `searching names, ${Math.round(100 * done / head.count)} %`; }); }
      catch (error) { of("shown").textContent = error.message; return; }
      if (!names) return;
    }
  }
  if (mine !== state) return;
  result = filtered(state, names);
  bars();
  turn();
}

function turn() {
  const rows = result.rows, pages = Math.max(1, Math.ceil(rows.length / PAGE));
  state.page = Math.min(Math.max(1, Math.floor(state.page)), pages);
  const start = (state.page - 1) * PAGE, all = state.only === "failed" ? head.failed : head.count - head.failed;
  of("shown").textContent = `${count(rows.length)} of ${count(all)} ${state.only === "failed" ? "that could not be read" : all === 1 ? "picture" : "pictures"}`;
  of("none").hidden = rows.length > 0;
  of("clear").hidden = ["find", "class", "from", "to", "only", "trust"].every(key => state[key] === USUAL[key]);
  document.querySelectorAll(".pager").forEach(pager => { pager.hidden = pages < 2; });
  of("page").value = state.page;
  of("page").max = pages;
  document.querySelector(".pager .last").textContent = `of ${count(pages)}`;
  document.querySelector(".pager .where").textContent = `page ${count(state.page)} of ${count(pages)}`;
  document.querySelectorAll("[data-step='-1']").forEach(button => { button.disabled = state.page === 1; });
  document.querySelectorAll("[data-step='1']").forEach(button => { button.disabled = state.page === pages; });
  show(rows.subarray(start, start + PAGE));
}

function go(page) {
  const pages = Math.max(1, Math.ceil(result.rows.length / PAGE)), next = Math.min(Math.max(1, Math.floor(page) || 1), pages);
  if (next === state.page) { of("page").value = next; return; }
  state = { ...state, page: next };
  location.hash = toAddress();
  turn();
  const bar = document.querySelector(".tools");
  if (bar.getBoundingClientRect().top <= 0) scrollTo({ top: of("cards").getBoundingClientRect().top + scrollY - bar.offsetHeight - 8 });
}

function fields() {
  for (const key of ["find", "class", "role", "only", "trust", "sort"]) {
    const field = of(key);
    if (field && field !== document.activeElement) field.value = state[key];
  }
  for (const key of ["from", "to"]) if (of(key) !== document.activeElement) of(key).value = state[key] === USUAL[key] ? "" : state[key];
  of("grid").checked = state.view === "grid";
  of("cards").classList.toggle("grid", state.view === "grid");
}

function bars() {
  const { right, wrong } = result, most = Math.max(1, ...right.map((n, i) => n + wrong[i]));
  of("bars").replaceChildren(...Array.from(right, (good, i) => {
    const bar = document.createElement("div"), low = 100 * i / BARS, high = 100 * (i + 1) / BARS;
    [good, wrong[i]].forEach(number => { put(bar, "b", "").style.height = (number ? Math.max(4, 100 * number / most) : 0) + "%"; });
    bar.title = `${low} to ${high} %: ${count(good + wrong[i])}${wrong[i] ? `, ${count(wrong[i])} of them wrong` : ""}`;
    bar.classList.toggle("out", high <= state.from || low >= state.to);
    return bar;
  }));
  of("span").textContent = state.from > 0 || state.to < 100 ? `${+state.from.toFixed(1)} to ${+state.to.toFixed(1)} %` : "";
}

// Drawing over the bars chooses a range, a click on the chosen one takes all again.
function drag(event) {
  const edge = of("bars").getBoundingClientRect();
  const bin = x => Math.min(BARS - 1, Math.max(0, Math.floor((x - edge.left) / edge.width * BARS)));
  const first = bin(event.clientX), before = [state.from, state.to];
  const range = x => { const last = bin(x); return { from: 100 * Math.min(first, last) / BARS, to: 100 * (Math.max(first, last) + 1) / BARS }; };
  const move = moved => change(range(moved.clientX), true);
  const stop = ended => {
    of("bars").removeEventListener("pointermove", move);
    const chosen = range(ended.clientX);
    change(chosen.from === before[0] && chosen.to === before[1] ? { from: 0, to: 100 } : chosen, true);
  };
  of("bars").setPointerCapture(event.pointerId);
  of("bars").addEventListener("pointermove", move);
  of("bars").addEventListener("pointerup", stop, { once: true });
}

function listed() {
  const often = new Uint32Array(head.classes.length);
  for (let row = 0; row < head.count; row++) often[table.predicted[row]]++;
  const options = head.classes.map((name, number) => ({ name, often: often[number] })).slice(1).sort((a, b) => b.often - a.often);
  of("classes").replaceChildren(...options.map(({ name, often }) => {
    const option = document.createElement("option");
    option.value = name;
    option.label = often ? `${name} · predicted ${count(often)}×` : name;
    return option;
  }));
}

function clear() {
  document.activeElement?.blur();
  return change({ ...USUAL, sort: state.sort, view: state.view });
}

// Filtering waits until the fingers rest; a million rows take a few hundredths of a second.
function typed(key, value) {
  let timer = 0;
  of(key).addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ [key]: value(of(key).value) }, true), head.count > 5000 ? 150 : 0);
  });
}
typed("find", text => text);
typed("class", text => text);
typed("from", text => Math.min(100, Math.max(0, Number(text) || 0)));
typed("to", text => text === "" ? 100 : Math.min(100, Math.max(0, Number(text) || 0)));
for (const key of ["role", "only", "trust", "sort"]) of(key)?.addEventListener("change", event => change({ [key]: event.target.value }));
of("bars").addEventListener("pointerdown", drag);
of("filters").addEventListener("submit", event => event.preventDefault());
of("clear").addEventListener("click", clear);
document.querySelector("[data-clear]").addEventListener("click", clear);
of("page").addEventListener("change", event => go(Number(event.target.value)));
document.querySelectorAll("[data-step]").forEach(button => button.addEventListener("click", () => go(state.page + Number(button.dataset.step))));
of("grid").addEventListener("change", event => change({ view: event.target.checked ? "grid" : "", page: state.page }));
of("cards").addEventListener("click", event => {
  if (state.view === "grid" && event.target.matches("canvas.overlay")) event.target.closest(".card").classList.toggle("open");
});
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input, select, textarea")) return;
  const pages = { ArrowLeft: state.page - 1, ArrowRight: state.page + 1, Home: 1, End: Infinity };
  if (event.key in pages && (event.key.startsWith("Arrow") || event.shiftKey)) { go(Math.min(pages[event.key], Math.ceil(result.rows.length / PAGE))); event.preventDefault(); }
});
opacity.addEventListener("input", redraw);
cells.addEventListener("change", redraw);

async function start() {
  state = fromAddress();
  if (head.failed === head.count && !location.hash) state.only = "failed";
  try { await loadTable(done => { if (done < head.count) of("shown").textContent = `loading, ${Math.round(100 * done / head.count)} %`; }); }
  catch (error) { of("shown").textContent = error.message; return; }
  listed();
  await update();
}
start();
