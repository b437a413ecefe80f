// Elements of the document. Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Return a new element; functions and booleans are set as properties, the rest as attributes. */
export function make(tag, properties = {}, ...children) {
  return furnished(document.createElement(tag), properties, children);
}

/** Return a new SVG element. */
export function drawn(tag, properties = {}, ...children) {
  return furnished(document.createElementNS(SVG, tag), properties, children);
}

function furnished(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function" || typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Write text where it differs. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Write a number as text and, in full, as data. */
export function writeNumber(element, number, text) {
  write(element, text);
  element.dataset.value = String(number);
}

/** Return a control with its name before it. */
export function field(name, control) {
  return make("label", { class: "nwr-field" }, make("span", {}, name), control);
}

/** Return a select of [value, title] pairs that calls back with the chosen value. */
export function selectOf(options, chosen, properties = {}) {
  const select = make("select", { ...properties, onchange: () => chosen(select.value) });
  fillSelect(select, options);
  return select;
}

/** Replace a select's options. */
export function fillSelect(select, options) {
  select.replaceChildren(
    ...options.map(([value, title]) => make("option", { value: String(value) }, title)),
  );
}

/** Return a section with a heading and a line that says what it shows. */
export function card(name, explanation, ...children) {
  const heading = make("h3", {}, name);
  const parts = explanation ? [make("p", { class: "nwr-hint" }, explanation)] : [];
  return make("section", { class: "nwr-card", "aria-label": name }, heading, ...parts, ...children);
}

/** Return the canvas's context, its surface sized to so many CSS pixels, cleared. */
export function surface(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

/** Replace a container's children; what had the focus keeps it, found again by its data-key. */
export function rebuilt(container, children) {
  const active = container.getRootNode().activeElement;
  const key = active && container.contains(active) ? active.dataset.key : undefined;
  container.replaceChildren(...children);
  if (key === undefined) return;
  const again = [...container.querySelectorAll("[data-key]")].find(
    (one) => one.dataset.key === key,
  );
  again?.focus({ preventScroll: true });
}
