
const colours = bytes(head.colours);
const opacity = document.getElementById("opacity"), cells = document.getElementById("cells");
const percent = value => value === null ? "" : (100 * value).toFixed(1) + " %";
// What is shown: element of a card → its details, the chosen map and whether it is drawn.
const shown = new Map();

// Sixteen bits of a float, which not every browser reads by itself.
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, rest = bits & 1023;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : rest * 2 ** -24);
}

function levels(map) {
  if (!map.levels) {
    const span = map.high - map.low, given = bytes(map.values);
    map.raw = map.rounded ? Float32Array.from(given, v => map.low + v / 255 * span)
      : Float32Array.from(column(given, Uint16Array), bits => half(bits) * map.unit);
    map.levels = Float32Array.from(map.raw, v => map.verdict ? head.nothing : Math.min(Math.max((v - map.low) / span, 0), 1));
  }
  return map.levels;
}

// The value at a place of the map, in cells: bilinear between the centres of cells, or the cell itself.
function at(map, x, y) {
  const all = levels(map), w = map.width, h = map.height;
  if (cells.checked) return all[Math.min(Math.floor(y), h - 1) * w + Math.min(Math.floor(x), w - 1)];
  x = Math.min(Math.max(x - 0.5, 0), w - 1); y = Math.min(Math.max(y - 0.5, 0), h - 1);
  const x0 = Math.floor(x), y0 = Math.floor(y), x1 = Math.min(x0 + 1, w - 1), y1 = Math.min(y0 + 1, h - 1);
  const a = x - x0, b = y - y0;
  return (all[y0 * w + x0] * (1 - a) + all[y0 * w + x1] * a) * (1 - b) + (all[y1 * w + x0] * (1 - a) + all[y1 * w + x1] * a) * b;
}

function place(picture, width, height) {
  const [left, top, right, bottom] = picture.box, sx = width / picture.size[0], sy = height / picture.size[1];
  return { left: left * sx, top: top * sy, wide: (right - left) * sx, high: (bottom - top) * sy };
}

function draw(card) {
  const about = shown.get(card);
  if (!about?.picture?.maps?.length) return;
  const { picture, chosen } = about, img = card.querySelector("img"), map = picture.maps[chosen];
  // Without a picture, the map alone in its shape.
  const zoom = Math.min(1, 320 / Math.max(...picture.size));
  const [w, h] = img.naturalWidth ? [img.naturalWidth, img.naturalHeight] : picture.size.map(side => Math.max(1, Math.round(side * zoom)));
  const box = place(picture, w, h);
  const [heat, over] = ["map", "overlay"].map(name => {
    const canvas = card.querySelector("canvas." + name);
    canvas.width = w; canvas.height = h;
    return canvas.getContext("2d", { willReadFrequently: true });
  });
  if (img.naturalWidth) over.drawImage(img, 0, 0);
  const a = heat.createImageData(w, h), b = over.getImageData(0, 0, w, h);
  const mix = map.verdict ? 0 : img.naturalWidth ? Number(opacity.value) : 1;
  for (let y = 0, i = 0; y < h; y++) {
    const v = (y + 0.5 - box.top) / box.high;
    for (let x = 0; x < w; x++, i += 4) {
      const u = (x + 0.5 - box.left) / box.wide;
      a.data[i + 3] = b.data[i + 3] = 255;
      if (u < 0 || u >= 1 || v < 0 || v >= 1) {
        const grey = 0.8 * (0.299 * b.data[i] + 0.587 * b.data[i + 1] + 0.114 * b.data[i + 2]);
        for (let c = 0; c < 3; c++) { a.data[i + c] = 214; b.data[i + c] = grey; }
        continue;
      }
      const row = 3 * Math.floor(at(map, u * map.width, v * map.height) * 255 + 0.5);
      for (let c = 0; c < 3; c++) {
        a.data[i + c] = colours[row + c];
        b.data[i + c] = (1 - mix) * b.data[i + c] + mix * colours[row + c];
      }
    }
  }
  heat.putImageData(a, 0, 0); over.putImageData(b, 0, 0);
  label(card, map);
  about.drawn = true;
}

function label(card, map) {
  const strip = card.querySelector(".scale canvas"), pen = strip.getContext("2d"), bar = pen.createImageData(256, 1);
  for (let i = 0; i < 256; i++) for (let c = 0; c < 4; c++) bar.data[4 * i + c] = c < 3 ? colours[3 * i + c] : 255;
  pen.putImageData(bar, 0, 0);
  strip.hidden = Boolean(map.verdict);
  const texts = map.verdict ? [map.verdict, "", ""] : map.ends;
  card.querySelectorAll(".scale span").forEach((span, i) => { span.textContent = texts[i]; });
  const words = `${map.target}, ${map.verdict || "range " + map.ends[0] + " to " + map.ends[2]}`;
  card.querySelector("canvas.map").setAttribute("aria-label", `map for ${words}`);
  card.querySelector("canvas.overlay").setAttribute("aria-label", `overlay for ${words}`);
}

function hover(card, event) {
  const canvas = event.target.closest("canvas.map, canvas.overlay"), out = card.querySelector(".value"), about = shown.get(card);
  out.textContent = "";
  if (!canvas || !about?.drawn) return;
  const map = about.picture.maps[about.chosen], edge = canvas.getBoundingClientRect();
  const box = place(about.picture, edge.width, edge.height);
  const u = (event.clientX - edge.left - box.left) / box.wide, v = (event.clientY - edge.top - box.top) / box.high;
  if (u < 0 || u >= 1 || v < 0 || v >= 1) { out.textContent = "outside what the network saw"; return; }
  const row = Math.floor(v * map.height), column = Math.floor(u * map.width);
  const value = map.raw[row * map.width + column].toPrecision(map.rounded ? 2 : 3);
  out.textContent = `${map.target}: ${map.rounded ? "about " : ""}${value} in cell ${row + 1}, ${column + 1} of ${map.height}×${map.width}`;
}

// Texts are only ever texts: whatever a file or a class is called, it is no markup.
function put(parent, tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  parent.append(made);
  return made;
}

function empty(row) {
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
  card.classList.add("coming");
  card.dataset.row = row;
  return card;
}

function fill(card, picture) {
  card.classList.remove("coming");
  shown.get(card).picture = picture;
  const cut = picture.file.lastIndexOf("/") + 1;
  card.querySelector(".folder").textContent = picture.file.slice(0, cut);
  card.querySelector(".name").textContent = picture.file.slice(cut);
  card.querySelector("h2").title = picture.file;
  if (picture.error) { failure(card, picture.error); return Promise.resolve(); }
  card.querySelector("small").textContent = picture.size.join("×");
  say(card.querySelector(".said"), picture);
  picture.maps.forEach((map, number) => choice(card, map, number));
  const explained = new Set(picture.maps.map(map => map.target));
  const rest = picture.prediction.filter(([name]) => !explained.has(name));
  card.querySelector(".also").textContent = rest.length ? "then " + rest.map(([name, p]) => `${name} ${percent(p)}`).join(", ") : "";
  if (!picture.thumbnail) { card.classList.add("bare"); draw(card); return Promise.resolve(); }
  const img = card.querySelector("img");
  img.alt = picture.file;
  img.src = "data:image/jpeg;base64," + picture.thumbnail;
  return img.decode().then(() => draw(card));
}

function failure(card, reason) {
  card.classList.add("failed");
  card.querySelector(".said").textContent = reason;
  card.querySelector(".row").remove();
}

function say(line, picture) {
  const [first] = picture.prediction;
  if (first) put(line, "span", `${first[0]} ${percent(first[1])}`);
  const row = Number(line.closest(".card").dataset.row);
  if (picture.truth !== null && first) {
    if (table.truth[row] === table.predicted[row]) put(line, "span", "right", "badge good");
    else put(line, "span", `wrong: it is ${picture.truth}`, "badge bad");
  }
  if (picture.trust) {
    const [level, words, reasons] = picture.trust;
    put(line, "span", words, "badge " + (["holds", "doubtful", "fails"].includes(level) ? level : "")).title = reasons;
  }
  if (picture.panel) {
    const link = put(line, "a", "panel");
    link.href = "panels/" + encodeURIComponent(picture.panel);
  }
}

function choice(card, map, number) {
  const button = put(card.querySelector(".classes"), "button", "");
  button.type = "button";
  button.setAttribute("aria-pressed", String(number === 0));
  put(button, "span", map.target);
  put(button, "span", map.probability === null ? (map.score ?? NaN).toFixed(2) : percent(map.probability), "p");
  if (map.probability !== null) put(button, "i", "").style.width = (100 * map.probability).toFixed(1) + "%";
  button.addEventListener("click", () => {
    shown.get(card).chosen = number;
    card.querySelectorAll(".classes button").forEach(other => other.setAttribute("aria-pressed", String(other === button)));
    draw(card);
  });
}

const near = new IntersectionObserver(entries => entries.forEach(async entry => {
  const card = entry.target, about = shown.get(card);
  if (!entry.isIntersecting || !about || about.drawn || about.busy) return;
  about.busy = true;
  try {
    if (about.picture) draw(card);
    else {
      const picture = await details(about.row);
      if (shown.has(card)) await fill(card, picture);
    }
  } catch (error) {
    if (shown.has(card)) { card.classList.remove("coming"); failure(card, error.message); }
  }
  about.busy = false;
}), { rootMargin: "400px" });

function show(rows) {
  near.disconnect();
  shown.clear();
  const made = Array.from(rows, row => {
    const card = empty(row);
    shown.set(card, { row, chosen: 0, drawn: false, picture: null });
    card.addEventListener("pointermove", event => hover(card, event));
    card.addEventListener("pointerleave", () => { card.querySelector(".value")?.replaceChildren(); });
    return card;
  });
  document.getElementById("cards").replaceChildren(...made);
  made.forEach(card => near.observe(card));
}

function redraw() {
  // What is in sight is drawn at once, the rest when it comes near again.
  for (const [card, about] of shown) {
    if (!about.drawn) continue;
    const edge = card.getBoundingClientRect();
    if (edge.bottom > -400 && edge.top < innerHeight + 400) draw(card);
    else { about.drawn = false; near.unobserve(card); near.observe(card); }
  }
}
