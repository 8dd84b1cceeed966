// What a person did with the film outlives a new drawing of it: scene, way, place and whether it plays.
const states = new WeakMap();
const SECONDS = 9, FRONT = 0.012, FIRST = 0.25;
const BURNING = [255, 176, 46];
const LEFT = 46, RIGHT = 14, TOP = 26, BOTTOM = 40;
const SVG = "http://www.w3.org/2000/svg";

export default function ({ data, parentElement }) {
  const state = states.get(parentElement) || { scene: 0, way: data.scenes[0].ways[0].name, part: FIRST, playing: false, asked: "" };
  states.set(parentElement, state);
  const asked = data.scenes.map(scene => scene.ways[0].scores.join()).join();
  if (asked !== state.asked) Object.assign(state, { asked, part: FIRST, playing: false });
  if (!data.scenes[state.scene]) state.scene = 0;
  if (!data.scenes[state.scene].ways.some(way => way.name === state.way)) state.way = data.scenes[0].ways[0].name;
  const old = parentElement.querySelector(".film");
  const focused = old?.contains(parentElement.activeElement) ? parentElement.activeElement.dataset.name : null;
  const root = make("div", "film");
  const view = { data, state, root, images: {}, orders: {} };
  for (const [name, text] of Object.entries(data.orders)) view.orders[name] = unpacked(text);
  build(view);
  if (old) old.replaceWith(root); else parentElement.append(root);
  new ResizeObserver(() => { if (root.isConnected) drawChart(view); }).observe(view.chart);
  if (focused) root.querySelector(`[data-name="${focused}"]`)?.focus({ preventScroll: true });
  load(view);
  if (state.playing) play(view);
}

function build(view) {
  const { data, root, state } = view, words = data.words;
  const scenes = make("div", "scenes");
  scenes.setAttribute("role", "group");
  scenes.setAttribute("aria-label", words.scenes);
  view.tabs = data.scenes.map((scene, number) => {
    const tab = button(`scene-${number}`, () => { state.scene = number; load(view); });
    tab.append(make("span", "title", scene.title), make("span", "note", scene.note));
    scenes.append(tab);
    return tab;
  });
  view.about = make("p", "about");
  view.canvas = make("canvas", "");
  view.canvas.setAttribute("role", "img");
  view.now = make("div", "now");
  const screen = make("div", "screen");
  screen.append(view.canvas, view.now);
  view.chart = make("div", "chart");
  view.chart.setAttribute("role", "img");
  const stage = make("div", "stage");
  stage.append(screen, view.chart);
  view.play = button("play", () => { state.playing ? pause(view) : start(view); });
  view.play.className = "play";
  view.slider = make("input", "");
  Object.assign(view.slider, { type: "range", min: 0, max: 1, step: 0.005 });
  view.slider.dataset.name = "slider";
  view.slider.setAttribute("aria-label", words.slider);
  view.slider.addEventListener("input", () => { state.part = Number(view.slider.value); pause(view); });
  const controls = make("div", "controls");
  controls.append(view.play, view.slider);
  view.legend = make("div", "legend");
  view.legend.setAttribute("role", "group");
  view.legend.setAttribute("aria-label", words.watch);
  root.append(scenes, view.about, stage, controls, view.legend);
  if (data.waiting) root.append(make("p", "waiting", data.waiting));
  root.append(make("p", "hint", words.watch));
  scrub(view);
}

function scene(view) { return view.data.scenes[view.state.scene]; }
function way(view) { return scene(view).ways.find(each => each.name === view.state.way) || scene(view).ways[0]; }

// The two pictures of a scene are decoded once; the frames between them are made of these.
async function load(view) {
  const { state } = view, number = state.scene, here = scene(view);
  view.about.textContent = here.about;
  view.tabs.forEach((tab, each) => tab.setAttribute("aria-pressed", String(each === number)));
  view.legend.replaceChildren(...here.ways.map((each, place) => entry(view, each, place)));
  drawChart(view);
  if (!view.images[number]) view.images[number] = await Promise.all([here.before, here.after].map(pixels));
  if (state.scene !== number) return;
  const [before] = view.images[number];
  Object.assign(view.canvas, { width: before.width, height: before.height });
  update(view);
}

async function pixels(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function entry(view, each, place) {
  const made = button(`way-${each.name}`, () => { view.state.way = each.name; load(view); });
  made.className = `way way-${place}`;
  made.setAttribute("aria-pressed", String(each.name === view.state.way));
  const line = svg("svg", { viewBox: "0 0 34 10", class: "swatch", "aria-hidden": "true" });
  line.append(svg("line", { x1: 2, x2: 32, y1: 5, y2: 5, class: `line line-${place}` }));
  made.append(line, make("span", "title", each.title), make("span", "note", each.note));
  return made;
}

function start(view) {
  if (view.state.part >= 1 || !view.state.begun) view.state.part = 0;
  Object.assign(view.state, { playing: true, begun: true });
  play(view);
}

function pause(view) {
  Object.assign(view.state, { playing: false, begun: true });
  update(view);
}

function play(view) {
  const { state } = view, still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const from = state.part, begun = performance.now();
  let last = -1;
  const tick = now => {
    if (!view.root.isConnected || !state.playing || Math.abs(state.part - Math.max(last, from)) > 1e-9) return;
    // The first frame may have begun before the press.
    last = Math.min(1, from + Math.max(0, now - begun) / 1000 / SECONDS);
    // Who wants no motion sees the points that were measured, one after the other.
    if (still) last = Math.max(from, ...way(view).parts.filter(part => part <= last));
    state.part = last;
    if (last >= 1) state.playing = false;
    update(view);
    if (state.playing) requestAnimationFrame(tick);
  };
  update(view);
  requestAnimationFrame(tick);
}

function update(view) {
  const { state, data } = view, here = scene(view), words = data.words;
  drawFrame(view);
  movePoint(view);
  const score = written(at(way(view), state.part), data.shares);
  const done = here.done.replace("{part}", String(Math.round(100 * state.part)));
  view.now.textContent = done;
  view.slider.value = state.part;
  view.slider.setAttribute("aria-valuetext", `${done}, ${data.score} ${score}`);
  view.canvas.setAttribute("aria-label", done);
  view.play.textContent = state.playing ? "❚❚" : "▶";
  view.play.title = state.playing ? words.pause : words.play;
  view.play.setAttribute("aria-label", view.play.title);
}

function drawFrame(view) {
  const { state } = view, images = view.images[state.scene];
  if (!images) return;
  const [before, after] = images, order = view.orders[way(view).name], frame = new ImageData(before.width, before.height);
  const from = new Uint32Array(before.data.buffer), to = new Uint32Array(after.data.buffer), made = new Uint32Array(frame.data.buffer);
  const limit = state.part * 65536, front = state.playing ? (state.part - FRONT) * 65536 : limit;
  const burning = (255 << 24) | (BURNING[2] << 16) | (BURNING[1] << 8) | BURNING[0];
  for (let place = 0; place < made.length; place++) {
    const rank = order[place];
    made[place] = rank < limit ? (rank >= front ? burning : to[place]) : from[place];
  }
  view.canvas.getContext("2d").putImageData(frame, 0, 0);
}

function drawChart(view) {
  const { data, state, chart } = view, here = scene(view);
  const width = chart.clientWidth, height = chart.clientHeight;
  if (!width || !height) return;
  const highest = Math.max(...data.scenes.flatMap(each => each.ways.flatMap(way => way.scores)));
  const lowest = Math.min(0, ...data.scenes.flatMap(each => each.ways.flatMap(way => way.scores)));
  const ticks = nice(lowest, highest), low = ticks[0], high = Math.max(ticks[ticks.length - 1], highest);
  const x = part => LEFT + part * (width - LEFT - RIGHT);
  const y = value => height - BOTTOM - (value - low) / (high - low) * (height - TOP - BOTTOM);
  const drawing = svg("svg", { width, height, "aria-hidden": "true" });
  for (const tick of ticks) {
    drawing.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }));
    drawing.append(text(LEFT - 7, y(tick) + 4, written(tick, data.shares, true), "end"));
  }
  for (const part of [0, 0.25, 0.5, 0.75, 1]) drawing.append(text(x(part), height - BOTTOM + 17, `${100 * part} %`, "middle"));
  drawing.append(text(width - RIGHT, height - 5, here.across, "end", "axis"), text(2, 13, data.score, "start", "axis"));
  view.area = svg("path", { class: "area" });
  drawing.append(view.area);
  const current = way(view);
  here.ways.forEach((each, place) => {
    const path = each.parts.map((part, k) => `${k ? "L" : "M"}${x(part)},${y(each.scores[k])}`).join("");
    const line = svg("path", { d: path, class: `line line-${place}${each === current ? " chosen" : ""}` });
    if (each === current) view.area.setAttribute("class", `area area-${place}`);
    drawing.append(line);
  });
  // The one on trial and the one that is watched lie above the others.
  for (const line of [drawing.querySelector("path.line-0"), drawing.querySelector("path.chosen")]) drawing.append(line);
  const number = here.ways.indexOf(current);
  view.rule = svg("line", { y1: TOP, y2: height - BOTTOM, class: "rule" });
  view.point = svg("circle", { r: 7, class: `point point-${number}` });
  view.label = text(0, 0, "", "start", "value");
  drawing.append(view.rule, view.point, view.label);
  view.places = { x, y, width, low };
  chart.replaceChildren(drawing);
  chart.setAttribute("aria-label", `${data.words.chart}: ${here.ways.map(each => `${each.title} ${each.note}`).join("; ")}`);
  movePoint(view);
}

function movePoint(view) {
  const { places, state, data } = view;
  if (!places) return;
  const current = way(view), score = at(current, state.part), { x, y, width, low } = places;
  const left = x(state.part), top = y(score);
  view.rule.setAttribute("x1", left);
  view.rule.setAttribute("x2", left);
  view.point.setAttribute("cx", left);
  view.point.setAttribute("cy", top);
  const near = left > width - 90;
  view.label.setAttribute("x", left + (near ? -12 : 12));
  view.label.setAttribute("y", Math.max(top - 11, TOP + 4));
  view.label.setAttribute("text-anchor", near ? "end" : "start");
  view.label.textContent = written(score, data.shares);
  const seen = current.parts.map((part, k) => [part, current.scores[k]]).filter(([part]) => part < state.part);
  const line = [...seen, [state.part, score]].map(([part, value]) => `L${x(part)},${y(value)}`).join("");
  view.area.setAttribute("d", `M${x(0)},${y(low)}${line}L${left},${y(low)}Z`);
}

// A finger or a pointer on the curves moves the film.
function scrub(view) {
  let held = false;
  const move = event => {
    const edge = view.chart.getBoundingClientRect();
    pause(view);
    view.state.part = inside((event.clientX - edge.left - LEFT) / (edge.width - LEFT - RIGHT));
    update(view);
  };
  view.chart.addEventListener("pointerdown", event => {
    if (event.button !== 0 || !event.isPrimary) return;
    held = true;
    view.chart.setPointerCapture(event.pointerId);
    move(event);
  });
  view.chart.addEventListener("pointermove", event => { if (held) move(event); });
  for (const end of ["pointerup", "pointercancel"]) view.chart.addEventListener(end, () => { held = false; });
}

// What the curve says between its points lies on the straight line.
function at({ parts, scores }, part) {
  const next = parts.findIndex(each => each >= part);
  if (next <= 0) return scores[next === 0 ? 0 : scores.length - 1];
  const share = (part - parts[next - 1]) / (parts[next] - parts[next - 1]);
  return scores[next - 1] + share * (scores[next] - scores[next - 1]);
}

function written(value, shares, short = false) {
  if (!shares) return String(Number(value.toPrecision(3))).replace("-", "−");
  const part = 100 * value;
  return `${short ? Number(part.toFixed(2)) : part.toFixed(part < 9.95 ? 1 : 0)} %`;
}

function nice(low, high) {
  const span = high - low || 1, rough = span / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find(each => each * power >= rough) * power;
  const ticks = [];
  for (let k = Math.floor(low / step + 1e-9); (k - 1) * step < high - 1e-9 && ticks.length < 12; k++) ticks.push(k * step);
  return ticks;
}

function unpacked(text) { return new Uint16Array(Uint8Array.from(atob(text), sign => sign.charCodeAt(0)).buffer); }
function inside(v) { return Math.min(Math.max(v, 0), 1); }

function button(name, act) {
  const made = make("button", "");
  made.type = "button";
  made.dataset.name = name;
  made.addEventListener("click", act);
  return made;
}

function text(x, y, words, anchor, kind = "") {
  const made = svg("text", { x, y, "text-anchor": anchor, class: kind });
  made.textContent = words;
  return made;
}

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function make(tag, kind, words) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (words !== undefined) made.textContent = words;
  return made;
}
