// The page that shows what a recurrent cell remembers: one module, by the anywidget contract.

import { make, write } from "./elements.mjs";
import { ModelPanel } from "./model_panel.mjs";
import { unpacked } from "./stored_data.mjs";
import { STYLE } from "./style.mjs";
import { Toolbar } from "./toolbar.mjs";
import { View } from "./view.mjs";
import { visible } from "./wording.mjs";

const SAVE_AFTER = 200; // milliseconds: browsers limit how often an address may change
const EVERYTHING =
  "cursor pointed held span search selection feature scale palette theme colour whole choices";
const LEAD =
  "A network read this text one character at a time. Each character is coloured by one number " +
  "inside the network just after it was read: the chosen signal of the chosen neuron. Point at a " +
  "character to read the numbers; drag over some, or search, to find the neurons that respond " +
  "to them.";

/** Show an exploration in an element; return the function that takes it away again. */
export function render({ model, el }) {
  let shown = null;
  let wanted = 0; // the number of the newest exploration: an older one may be unpacked later
  const show = async () => {
    const number = ++wanted;
    try {
      const exploration = await unpacked(model.get("exploration"), model.get("data"));
      if (number !== wanted) return;
      shown?.close();
      shown = new Explorer(exploration, model, el);
    } catch (error) {
      if (number !== wanted) return;
      el.replaceChildren(make("p", { role: "alert" }, `This cannot be shown: ${error.message}`));
      throw error;
    }
  };
  const follow = () => shown?.read(model.get("view") ?? "");
  const listeners = { "change:exploration": show, "change:data": show, "change:view": follow };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  show();
  return () => {
    wanted += 1;
    for (const [name, listener] of Object.entries(listeners)) model.off?.(name, listener);
    shown?.close();
    el.replaceChildren();
  };
}

/** The whole page of one exploration. */
class Explorer {
  #view;
  #model;
  #root;
  #toolbar;
  #panels;
  #timer = 0;
  #spoken = make("p", { class: "nwr-spoken", "aria-live": "polite" });
  #preference = matchMedia("(prefers-color-scheme: dark)");
  #themed = () => this.#update(new Set(["theme"]));

  constructor(exploration, model, el) {
    this.#model = model;
    this.#view = new View(exploration);
    this.#toolbar = new Toolbar(this.#view, () => this.#link());
    this.#panels = exploration.models.map((_, i) => new ModelPanel(this.#view, i));
    this.#root = this.#page(exploration);
    el.replaceChildren(make("style", {}, STYLE), this.#root);
    this.#view.readFragment(model.get("view") ?? "");
    this.#update(new Set(EVERYTHING.split(" ")));
    this.#view.listen((changed) => this.#changed(changed));
    this.#preference.addEventListener("change", this.#themed);
    el.dataset.ready = String(performance.now());
  }

  /** Stop everything. */
  close() {
    clearTimeout(this.#timer);
    this.#view.close();
    this.#preference.removeEventListener("change", this.#themed);
    for (const panel of this.#panels) panel.close();
  }

  /** Take the state of a fragment, unless it is the one that is shown. */
  read(fragment) {
    if (fragment !== this.#view.fragment()) this.#view.readFragment(fragment);
  }

  #page(exploration) {
    const notes = exploration.notes.map((note) => make("p", { class: "nwr-note" }, note));
    const header = make(
      "header",
      {},
      make("h1", {}, exploration.title),
      make("p", { class: "nwr-lead" }, LEAD),
      ...notes,
    );
    const models = make(
      "div",
      { class: `nwr-models nwr-of-${this.#panels.length}` },
      ...this.#panels.map(({ element }) => element),
    );
    const { element, keys } = this.#toolbar;
    const properties = { class: "nwr", "aria-label": exploration.title };
    return make("section", properties, header, element, keys, models, this.#spoken);
  }

  #isDark() {
    const { theme } = this.#view;
    return theme === "dark" || (theme === "auto" && this.#preference.matches);
  }

  #changed(changed) {
    this.#update(changed);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER);
  }

  #update(changed) {
    // Asking for places before anything is written spares the browser a layout each.
    for (const panel of this.#panels) panel.reveal(changed);
    this.#view.isDark = this.#isDark();
    this.#root.dataset.dark = String(this.#view.isDark);
    this.#toolbar.update(changed);
    for (const panel of this.#panels) panel.update(changed);
    for (const panel of this.#panels) panel.draw(changed);
    const { cursor, text } = this.#view;
    const where = `Character ${cursor + 1}, ${visible(text[cursor])}`;
    write(this.#spoken, [where, ...this.#panels.map((panel) => panel.sentence())].join("; "));
  }

  #save() {
    const fragment = this.#view.fragment();
    if (this.#model.get("view") === fragment) return;
    this.#model.set("view", fragment);
    this.#model.save_changes();
  }

  /** Return the link to what is shown now; in a notebook, where there is none, its text. */
  #link() {
    this.#save();
    const fragment = this.#view.fragment();
    const isPage = location.protocol === "file:" || location.hash.includes("at=");
    return isPage ? `${location.href.split("#")[0]}#${fragment}` : fragment;
  }
}

export default { render };
