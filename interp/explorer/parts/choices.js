export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".choices") || parentElement.appendChild(document.createElement("div"));
  // What had the keyboard keeps it when the buttons are drawn anew.
  const active = place.contains(parentElement.activeElement) ? parentElement.activeElement.dataset.value : null;
  place.className = `choices ${data.kind}`;
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", data.label);
  place.replaceChildren(...data.items.map(item => button(item, setTriggerValue)));
  if (data.kind === "strip") showChosen(place);
  if (active !== null) [...place.children].find(child => child.dataset.value === active)?.focus();
}

function button(item, setTriggerValue) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.value = item.value;
  made.title = item.title;
  made.setAttribute("aria-pressed", String(item.chosen));
  made.addEventListener("click", () => setTriggerValue("chosen", item.value));
  if (item.image) {
    const image = new Image();
    image.src = item.image;
    image.alt = "";
    made.append(image);
  }
  const words = document.createElement("span");
  words.className = "words";
  words.append(span("title", item.title), ...(item.note ? [span("note", item.note)] : []));
  made.append(words);
  if (item.share !== null) {
    const bar = span("bar", "");
    bar.style.width = `${100 * Math.min(Math.max(item.share, 0), 1)}%`;
    made.append(bar);
  }
  return made;
}

function showChosen(place) {
  const chosen = place.querySelector("[aria-pressed=true]");
  if (chosen) place.scrollLeft = chosen.offsetLeft - (place.clientWidth - chosen.offsetWidth) / 2;
}

function span(kind, text) {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = text;
  return made;
}
