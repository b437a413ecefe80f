// The controls that hold for the whole page.

import { PALETTES } from "./colour_scales.mjs";
import { field, make, selectOf, write } from "./elements.mjs";
import { SCALES } from "./view.mjs";
import { counted, visible } from "./wording.mjs";

const KEYS = [
  ["← → ↑ ↓, Home, End", "move the cursor through the text"],
  ["shift + ← →", "select characters"],
  ["Enter", "hold the cursor, so that pointing elsewhere does not move it; again lets go"],
  ["Esc", "clear selection, search and hold"],
  ["↑ ↓ in the heat map", "choose the neuron"],
  ["Tab", "go to the next control"],
];

/** Search, comparison, colours, theme and link. */
export class Toolbar {
  #view;
  #link;
  #search;
  #count = make("output", { class: "nwr-count" });
  #selects = {};
  #boxes = {};
  #told = make("output", { class: "nwr-told" });
  #held = make("output", { class: "nwr-held-note" });

  constructor(view, link) {
    this.#view = view;
    this.#link = link;
    this.element = make(
      "div",
      { class: "nwr-toolbar" },
      this.#drawer(),
      make("div", { class: "nwr-group nwr-find" }, ...this.#findControls()),
      make("div", { class: "nwr-group" }, ...this.#colourControls()),
      make("div", { class: "nwr-group nwr-last" }, ...this.#pageControls()),
    );
    this.keys = keysHelp();
  }

  /** Return the button that shows the controls where the screen is narrow. */
  #drawer() {
    const button = make(
      "button",
      {
        type: "button",
        class: "nwr-drawer",
        "aria-expanded": "false",
        onclick: () => {
          const isOpen = this.element.classList.toggle("nwr-open");
          button.setAttribute("aria-expanded", String(isOpen));
        },
      },
      "Search, ranking, colours",
    );
    return button;
  }

  #select(name, options) {
    const select = selectOf(options, (value) => this.#view.change({ [name]: value }), {
      "data-choice": name,
    });
    this.#selects[name] = select;
    return select;
  }

  #box(name, title, [off, on]) {
    const input = make("input", { type: "checkbox", "data-choice": name });
    input.addEventListener("change", () => this.#view.change({ [name]: input.checked ? on : off }));
    this.#boxes[name] = { input, on };
    return make("label", { class: "nwr-check" }, input, make("span", {}, title));
  }

  #findControls() {
    this.#search = make("input", {
      type: "search",
      "data-choice": "search",
      placeholder: "characters; \\n is a new line",
      spellcheck: false,
      autocomplete: "off",
      oninput: () => this.#view.change({ search: this.#search.value, span: null }),
    });
    const clear = () => this.#view.change({ span: null, search: "" });
    const button = make(
      "button",
      { type: "button", onclick: clear, "data-action": "clear" },
      "Clear",
    );
    const features = this.#view.features.map(({ name, title }) => [name, title]);
    const options = [["", "the selection only"], ...features];
    const feature = field("Rank neurons by", this.#select("feature", options));
    feature.hidden = !features.length;
    return [field("Find", this.#search), button, this.#count, feature, this.#held];
  }

  #colourControls() {
    const parts = [];
    if (this.#view.models.some(({ connectivity }) => connectivity)) {
      const options = [
        ["signal", "the signal"],
        ["influence", "influence on the prediction"],
      ];
      parts.push(field("Colour by", this.#select("colour", options)));
    }
    parts.push(field("Scale", this.#select("scale", Object.entries(SCALES))));
    parts.push(this.#box("whole", "Whole text in the charts", [false, true]));
    return parts;
  }

  #pageControls() {
    const palettes = Object.entries(PALETTES).map(([name, { title }]) => [name, title]);
    const themes = ["auto", "light", "dark"].map((name) => [name, name]);
    const copy = make(
      "button",
      { type: "button", onclick: () => this.#copy(), "data-action": "copy" },
      "Copy link",
    );
    return [
      field("Palette", this.#select("palette", palettes)),
      field("Theme", this.#select("theme", themes)),
      copy,
      this.#told,
    ];
  }

  /** Copy the link, or show it where the browser does not let a page copy. */
  async #copy() {
    const link = this.#link();
    try {
      await navigator.clipboard.writeText(link);
      write(this.#told, "Copied.");
    } catch {
      const shown = make("input", { readonly: "", value: link, "aria-label": "Link to this view" });
      this.#told.replaceChildren(shown);
      shown.select();
    }
  }

  /** Show the state in the controls. */
  update(changed) {
    const view = this.#view;
    for (const [name, select] of Object.entries(this.#selects)) select.value = view[name];
    for (const [name, { input, on }] of Object.entries(this.#boxes))
      input.checked = view[name] === on;
    if (this.#search.value !== view.search) this.#search.value = view.search;
    if (changed.size && !changed.has("told")) this.#told.textContent = "";
    write(this.#held, view.held ? "Cursor held; click it again or press Esc to let go" : "");
    this.#writeCount();
  }

  #writeCount() {
    const { search, span, text } = this.#view;
    const { spans, count } = this.#view.selection();
    this.#count.classList.toggle("nwr-warning", Boolean(search) && !count);
    if (span) {
      const [from, to] = span;
      const words = text
        .slice(from, Math.min(to, from + 12))
        .map(visible)
        .join("");
      const rest = to - from > 12 ? "…" : "";
      write(this.#count, `${counted(count, "character", "characters")} selected: ${words}${rest}`);
    } else if (search) {
      const found = counted(spans.length, "match", "matches");
      const characters = counted(count, "character", "characters");
      write(this.#count, count ? `${found}, ${characters}` : "No match in the text");
    } else {
      write(this.#count, "Nothing selected");
    }
  }
}

function keysHelp() {
  const rows = KEYS.map(([keys, does]) =>
    make("div", {}, make("dt", {}, keys), make("dd", {}, does)),
  );
  return make(
    "details",
    { class: "nwr-keys" },
    make("summary", {}, "Keys"),
    make("dl", {}, ...rows),
  );
}
