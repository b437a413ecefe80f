// The text, every character coloured by a number: read it, point at it, brush it.

import { make } from "./elements.mjs";
import { endsLine, isWord, visible } from "./wording.mjs";

const LONGEST_IN_COLUMNS = 48;
const FEWEST_IN_COLUMNS = 8;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -40, PageDown: 40 };

/** The characters of the text as cells. */
export class TextStrip {
  #view;
  #cells;
  #shades;
  #inside;
  #cursor = -1;
  #anchor = -1;
  #moved = false;
  #release = (event) => this.#end(event);

  constructor(view, name) {
    this.#view = view;
    this.#cells = view.text.map((token, time) => {
      const kind = isWord(token) ? "nwr-c nwr-word" : "nwr-c";
      return make("span", { "data-t": time, class: kind }, visible(token));
    });
    this.#shades = new Int16Array(view.text.length).fill(-2);
    this.#inside = new Uint8Array(view.text.length);
    this.element = make(
      "div",
      {
        class: "nwr-strip",
        tabindex: "0",
        role: "application",
        "aria-roledescription": "text coloured by values",
        "aria-label": `Text as ${name} read it; arrow keys move the cursor, with shift they select`,
        onpointerdown: (event) => this.#begin(event),
        onpointermove: (event) => this.#point(event),
        onkeydown: (event) => this.#press(event),
      },
      this.#columns(),
    );
    globalThis.addEventListener("pointerup", this.#release);
    globalThis.addEventListener("pointercancel", this.#release);
  }

  /** Stop listening to the window. */
  close() {
    globalThis.removeEventListener("pointerup", this.#release);
    globalThis.removeEventListener("pointercancel", this.#release);
  }

  /** Return the lines; many short ones stand in columns. */
  #columns() {
    const lines = this.#lines();
    const longest = Math.max(...lines.map(widthOf));
    const box = make("div", { class: "nwr-lines" }, ...lines);
    if (longest <= LONGEST_IN_COLUMNS && lines.length >= FEWEST_IN_COLUMNS) {
      box.style.columnWidth = `calc(${longest}ch + ${longest}px)`; // each has a pixel of padding
    }
    return box;
  }

  #lines() {
    const lines = [make("div", { class: "nwr-line" })];
    this.#cells.forEach((cell, time) => {
      lines.at(-1).append(cell);
      const last = time === this.#cells.length - 1;
      if (endsLine(this.#view.text[time]) && !last) lines.push(make("div", { class: "nwr-line" }));
    });
    return lines;
  }

  /** Colour every cell by its shade [T]; -1 is not finite, -2 none at all. */
  paint(scale, shades, repaint) {
    for (let t = 0; t < shades.length; t++) {
      const shade = shades[t];
      if (shade === this.#shades[t] && !repaint) continue;
      this.#shades[t] = shade;
      const cell = this.#cells[t];
      cell.classList.toggle("nwr-broken", shade === -1);
      cell.style.backgroundColor = shade < 0 ? "" : scale.colours[shade];
      cell.style.color = shade < 0 ? "" : scale.inks[shade];
    }
  }

  /** Show the cursor and what is selected. */
  mark() {
    const { cursor, held } = this.#view;
    this.#cells[this.#cursor]?.classList.remove("nwr-cursor", "nwr-held");
    this.#cells[cursor].classList.add("nwr-cursor");
    this.#cells[cursor].classList.toggle("nwr-held", held);
    this.#cursor = cursor;
    const { members } = this.#view.selection();
    for (let t = 0; t < members.length; t++) {
      if (members[t] === this.#inside[t]) continue;
      this.#inside[t] = members[t];
      this.#cells[t].classList.toggle("nwr-in", members[t] === 1);
    }
  }

  /** Scroll the cursor's character into the strip's window, and nothing else. */
  reveal() {
    const [cell, box] = [this.#cells[this.#view.cursor], this.element];
    const top = cell.offsetTop; // the box is what it is positioned in
    if (top < box.scrollTop) box.scrollTop = top - 12;
    const bottom = top + cell.offsetHeight - box.clientHeight;
    if (bottom > box.scrollTop) box.scrollTop = bottom + 12;
  }

  #timeAt(event) {
    const cell = event.target.closest?.("[data-t]");
    return cell && this.element.contains(cell) ? Number(cell.dataset.t) : -1;
  }

  #begin(event) {
    const time = this.#timeAt(event);
    if (time < 0 || event.button !== 0) return;
    // Otherwise the browser selects the text that is dragged over.
    event.preventDefault();
    this.element.focus({ preventScroll: true });
    this.element.classList.add("nwr-brushing");
    this.#anchor = time;
    this.#moved = false;
  }

  #point(event) {
    const time = this.#timeAt(event);
    if (time < 0) return;
    if (this.#anchor < 0) {
      if (this.#view.held) this.#view.change({ pointed: time });
      else this.#view.moveTo(time);
      return;
    }
    this.#moved ||= time !== this.#anchor;
    if (this.#moved) this.#brush(this.#anchor, time);
  }

  /** Select from one character to another and put the cursor on the latter. */
  #brush(from, to) {
    this.#view.change({ span: [Math.min(from, to), Math.max(from, to) + 1], held: false });
    this.#view.moveTo(to);
  }

  /** End a brush; a click without one holds the cursor, or lets it go again. */
  #end(event) {
    if (this.#anchor < 0) return;
    const view = this.#view;
    if (!this.#moved && event.type === "pointerup") {
      view.change({ held: !(view.held && view.cursor === this.#anchor) });
      view.moveTo(this.#anchor);
    }
    this.element.classList.remove("nwr-brushing");
    this.#anchor = -1;
  }

  #press(event) {
    const view = this.#view;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = this.#target(event.key);
    if (event.key === "Enter" || event.key === " ") view.change({ held: !view.held });
    else if (event.key === "Escape") view.change({ span: null, search: "", held: false });
    else if (target === null) return;
    else if (event.shiftKey) this.#extend(target);
    else view.moveTo(target);
    event.preventDefault();
  }

  #target(key) {
    const { cursor, text } = this.#view;
    if (key in STEPS) return Math.min(Math.max(0, cursor + STEPS[key]), text.length - 1);
    if (key === "Home") return 0;
    if (key === "End") return text.length - 1;
    if (key === "ArrowUp") return this.#rowAway(-1);
    if (key === "ArrowDown") return this.#rowAway(1);
    return null;
  }

  /** Return the character at the cursor's place on the row before or after, as it is laid out. */
  #rowAway(direction) {
    const { cursor } = this.#view;
    const [start, end] = this.#row(cursor);
    const other = direction < 0 ? start - 1 : end;
    if (other < 0 || other >= this.#cells.length) return cursor;
    const [otherStart, otherEnd] = this.#row(other);
    return Math.min(otherStart + cursor - start, otherEnd - 1);
  }

  /** Return the first character of a row and the one after its last. */
  #row(time) {
    const line = this.#cells[time].parentNode;
    const same = (other) =>
      this.#cells[other]?.parentNode === line &&
      this.#cells[other].offsetTop === this.#cells[time].offsetTop;
    let [start, end] = [time, time + 1];
    while (same(start - 1)) start -= 1;
    while (same(end)) end += 1;
    return [start, end];
  }

  /** Move the cursor and the nearer end of the selection with it. */
  #extend(target) {
    const { span, cursor } = this.#view;
    const atEnd = span && (span[0] === cursor || span[1] - 1 === cursor);
    const anchor = atEnd ? (span[0] === cursor ? span[1] - 1 : span[0]) : cursor;
    this.#brush(anchor, target);
  }
}

/** Return how many letters wide a line is; words have blanks around them. */
function widthOf(line) {
  const letters = ({ textContent, classList }) =>
    textContent.length + (classList.contains("nwr-word") ? 1 : 0);
  return [...line.children].reduce((sum, cell) => sum + letters(cell), 0);
}
