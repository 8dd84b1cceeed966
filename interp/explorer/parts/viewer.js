// What a person did with the viewer outlives a new drawing of it: zoom, slider and pointer.
const states = new WeakMap();
const STEP = 0.02, DRAGGED = 6, NEAREST = 8;
const FOCUSABLE = ".frame, input, button";

export default function ({ data, parentElement, setTriggerValue }) {
  const state = states.get(parentElement) || { scale: 1, x: 0, y: 0, split: 0.5, at: null };
  states.set(parentElement, state);
  let root = parentElement.querySelector(".viewer");
  const focused = root ? [...root.querySelectorAll(FOCUSABLE)].indexOf(parentElement.activeElement) : -1;
  const fresh = make("div", "viewer");
  const frames = [];
  fresh.append(grid(data, frames));
  const view = { data, state, frames, root: fresh, send: place => setTriggerValue("place", place.map(v => v.toFixed(4)).join(",")) };
  if (data.mode === "split") fresh.append(slider(view));
  fresh.append(tools(view));
  frames.forEach(frame => listen(view, frame));
  if (root) root.replaceWith(fresh); else parentElement.append(fresh);
  update(view);
  if (focused >= 0) fresh.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
}

function grid(data, frames) {
  const place = make("div", "grid");
  const columns = Math.max(1, ...data.rows.map(row => row.length));
  const widest = data.widest ? `${data.widest}px` : "1fr";
  const least = columns > 1 ? "min(9rem, 42vw)" : "0px";
  place.style.gridTemplateColumns = `repeat(${columns}, minmax(${least}, ${widest}))`;
  data.rows.forEach((row, number) => {
    if (data.rowTitles[number]) place.append(make("div", "rowtitle", data.rowTitles[number]));
    for (let column = 0; column < columns; column++) place.append(row[column] ? cell(data, row[column], frames) : make("span", ""));
  });
  return place;
}

function cell(data, each, frames) {
  const figure = make("figure", "");
  // If one cell has a title all have room for one, so that the pictures of a row line up.
  if (data.rows.some(row => row.some(one => one && (one.title || one.note)))) {
    const caption = make("figcaption", "");
    const title = make("span", "title", each.title);
    title.title = each.title;
    caption.append(title, make("span", "note", each.note));
    figure.append(caption);
  }
  const element = make("div", "frame"), layers = make("div", "layers");
  element.tabIndex = 0;
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", each.alt);
  element.setAttribute("aria-description", data.words.keys);
  const under = image(data.images[each.under], "under");
  // One picture alone is no higher than the screen.
  if (data.rows.length === 1 && data.rows[0].length === 1) under.addEventListener("load", () => {
    figure.style.maxWidth = `max(16rem, calc(60vh * ${under.naturalWidth / under.naturalHeight}))`;
  });
  layers.append(under);
  const over = each.over === null ? null : image(data.images[each.over], "over");
  if (over) layers.append(over);
  if (each.lines !== null) layers.append(image(data.images[each.lines], "lines"));
  const cross = make("div", "cross"), badge = make("div", "badge"), divide = make("div", "divide"), mark = make("div", "mark");
  element.append(layers, mark, divide, cross, badge);
  if (each.words) element.append(make("div", "words", each.words));
  figure.append(element);
  if (each.ends.length) {
    const scale = make("div", "scale"), ends = each.ends.map(end => make("span", "ends", end));
    if (each.scale === null || ends.length < 2) scale.append(...ends);
    else scale.append(ends[0], image(data.images[each.scale], ""), ends[ends.length - 1]);
    figure.append(scale);
  }
  frames.push({ each, values: each.values === null ? null : unpacked(each.values), element, layers, over, cross, badge, divide, mark });
  return figure;
}

function slider(view) {
  const { data, state } = view;
  const input = make("input", "");
  input.type = "range"; input.min = 0; input.max = 1; input.step = 0.01; input.value = state.split;
  input.setAttribute("aria-label", data.words.slider);
  input.addEventListener("input", () => { state.split = Number(input.value); update(view); });
  return input;
}

function tools(view) {
  const bar = make("div", "tools"), words = view.data.words;
  const press = (sign, label, act) => {
    const button = make("button", "", sign);
    button.type = "button"; button.title = label; button.setAttribute("aria-label", label);
    button.addEventListener("click", () => { act(); update(view); });
    return button;
  };
  view.out = make("output", "");
  bar.append(press("+", words.nearer, () => zoom(view.state, 1.5)), press("−", words.farther, () => zoom(view.state, 1 / 1.5)),
    press("⤢", words.whole, () => Object.assign(view.state, { scale: 1, x: 0, y: 0 })), view.out);
  return bar;
}

// The middle of the visible part, or the place given, stays where it is.
function zoom(state, factor, u = state.x + 0.5 / state.scale, v = state.y + 0.5 / state.scale) {
  const scale = Math.min(Math.max(state.scale * factor, 1), NEAREST);
  state.x = u - (u - state.x) * state.scale / scale;
  state.y = v - (v - state.y) * state.scale / scale;
  state.scale = scale;
  keepInside(state);
}

function keepInside(state) {
  const room = 1 - 1 / state.scale;
  state.x = Math.min(Math.max(state.x, 0), room);
  state.y = Math.min(Math.max(state.y, 0), room);
}

function listen(view, frame) {
  const { state, data } = view;
  let from = null, moved = false;
  const where = event => {
    const edge = frame.element.getBoundingClientRect();
    return [state.x + (event.clientX - edge.left) / edge.width / state.scale, state.y + (event.clientY - edge.top) / edge.height / state.scale];
  };
  frame.element.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    // A second finger zooms the page; neither of the two picks anything.
    if (!event.isPrimary) { from = null; view.drawn = null; return; }
    from = { at: where(event), x: event.clientX, y: event.clientY, left: state.x, top: state.y };
    moved = false;
    if (data.pick !== "none" || state.scale > 1 || data.mode === "split") frame.element.setPointerCapture(event.pointerId);
  });
  frame.element.addEventListener("pointermove", event => {
    state.at = where(event);
    if (from && Math.hypot(event.clientX - from.x, event.clientY - from.y) > DRAGGED) moved = true;
    if (from && moved) drag(view, frame, from, event);
    update(view);
  });
  frame.element.addEventListener("pointerup", event => {
    const start = from;
    from = null;
    if (!start || data.pick === "none") return;
    const end = where(event).map(inside);
    if (!moved) view.send(start.at.map(inside));
    else if (data.pick === "box") view.send(box(start.at.map(inside), end));
    view.drawn = null;
    update(view);
  });
  frame.element.addEventListener("pointercancel", () => { from = null; view.drawn = null; });
  frame.element.addEventListener("pointerleave", () => { if (!from) { state.at = null; update(view); } });
  frame.element.addEventListener("dblclick", event => { if (data.pick === "none") { zoom(state, 2, ...where(event)); update(view); } });
  frame.element.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;  // else the page could not be scrolled
    event.preventDefault();
    zoom(state, event.deltaY < 0 ? 1.2 : 1 / 1.2, ...where(event));
    update(view);
  }, { passive: false });
  frame.element.addEventListener("keydown", event => { if (key(view, event)) { event.preventDefault(); update(view); } });
  frame.element.addEventListener("blur", () => { state.at = null; update(view); });
}

function drag(view, frame, from, event) {
  const { state, data } = view, edge = frame.element.getBoundingClientRect();
  if (data.pick === "box") view.drawn = box(from.at.map(inside), state.at.map(inside));
  else if (data.mode === "split") {
    state.split = inside(state.at[0]);
    view.root.querySelector("input[type=range]").value = state.split;
  } else if (state.scale > 1) {
    state.x = from.left - (event.clientX - from.x) / edge.width / state.scale;
    state.y = from.top - (event.clientY - from.y) / edge.height / state.scale;
    keepInside(state);
  }
}

function key({ state, data, send }, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;  // the browser's own
  const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  if (moves[event.key]) {
    const at = state.at || [0.5, 0.5];
    state.at = at.map((v, axis) => inside(v + moves[event.key][axis] / state.scale));
  } else if (event.key === "+" || event.key === "=") zoom(state, 1.5);
  else if (event.key === "-") zoom(state, 1 / 1.5);
  else if (event.key === "0") Object.assign(state, { scale: 1, x: 0, y: 0 });
  else if (event.key === "Enter" && data.pick !== "none" && state.at) send(state.at);
  else return false;
  return true;
}

function update(view) {
  const { data, state, frames, root } = view;
  root.classList.toggle("zoomed", state.scale > 1);
  root.classList.toggle("pick", data.pick !== "none");
  const across = v => `${100 * (v - state.x) * state.scale}%`, down = v => `${100 * (v - state.y) * state.scale}%`;
  const read = frames.map(frame => {
    frame.layers.style.transform = `scale(${state.scale}) translate(${-100 * state.x}%, ${-100 * state.y}%)`;
    const split = data.mode === "split" && frame.over;
    frame.divide.hidden = !split;
    if (split) {
      frame.divide.style.left = across(state.split);
      frame.over.style.clipPath = `inset(0 0 0 ${100 * state.split}%)`;
    }
    const place = view.drawn || data.marked;
    frame.mark.hidden = !place;
    if (place) {
      const point = place[0] === place[2] && place[1] === place[3];
      frame.mark.classList.toggle("point", point);
      Object.assign(frame.mark.style, { left: across(place[0]), top: down(place[1]),
        width: point ? "" : `${100 * (place[2] - place[0]) * state.scale}%`, height: point ? "" : `${100 * (place[3] - place[1]) * state.scale}%` });
    }
    frame.cross.hidden = !state.at;
    if (state.at) Object.assign(frame.cross.style, { left: across(state.at[0]), top: down(state.at[1]) });
    const value = state.at ? valueAt(frame, state.at) : null;
    frame.badge.textContent = frames.length > 1 && value ? value.short : "";
    return value;
  });
  const first = read.find(value => value);
  const words = !state.at || !first && !frames.some(frame => frame.values) ? "" : first ? told(data.words.value, first) : data.words.outside;
  if (view.out.textContent !== words) view.out.textContent = words;
}

function unpacked(text) { return new Float32Array(Uint8Array.from(atob(text), sign => sign.charCodeAt(0)).buffer); }

function valueAt({ each, values }, [x, y]) {
  if (!values) return null;
  const [left, top, right, bottom] = each.box, u = (x - left) / (right - left), v = (y - top) / (bottom - top);
  if (u < 0 || u >= 1 || v < 0 || v >= 1) return null;
  const [rows, columns] = each.shape, row = Math.floor(v * rows), column = Math.floor(u * columns);
  const value = values[row * columns + column];
  const short = value.toPrecision(3).replace("-", "−");
  return { short, row: row + 1, column: column + 1, shape: `${rows}×${columns}` };
}

function told(words, value) {
  return words.replace("{value}", value.short).replace("{row}", value.row).replace("{column}", value.column).replace("{shape}", value.shape);
}

function box(a, b) { return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])]; }
function inside(v) { return Math.min(Math.max(v, 0), 1); }

function image(address, kind) {
  const made = new Image();
  made.src = address; made.className = kind; made.alt = ""; made.draggable = false;
  return made;
}

function make(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}
