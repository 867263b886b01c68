"use strict";
// A value that was measured several times: pairs of hour and value, with their course beside them.

/** Rows of [hour, value] in what a spreadsheet or a text holds; a head of words is left out. */
function pasted(text) {
  const cut = text.includes("\t") ? "\t" : text.includes(";") ? ";" : /[\s,]+/;
  const rows = text.split(/\r?\n/).map(line => line.trim()).filter(Boolean)
    .map(line => line.split(cut).map(cell => cell.trim()));
  const isHead = rows.length > 1 && rows[0].every(cell => typeof typed(cell) !== "number");
  return isHead ? rows.slice(1) : rows;
}

class Series {
  constructor(name, schema) {
    [this.hour, this.measured] = schema.items.prefixItems;
    this.title = schema.title;
    this.unit = schema["x-unit"];
    const id = `field-${name}`;
    this.list = element("ol", { onpaste: event => this.#paste(event) });
    this.spark = element("svg:svg", {
      class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true",
    });
    this.error = element("p", { class: "error", id: `${id}-error`, hidden: true });
    this.adder = element("button", { type: "button", class: "plain", onclick: () => this.add("", "").focus() },
      "Add", element("span", { class: "unseen" }, ` a measurement of ${this.title}`));
    const range = limits({ ...this.measured, "x-unit": this.unit });
    this.element = element("div", {
      class: "series", role: "group", id, "aria-labelledby": `${id}-name`, "aria-describedby": `${id}-error`,
      oninput: () => this.draw(),
    },
      element("div", { class: "named" },
        element("p", { id: `${id}-name` },
          element("strong", {}, capital(this.title)), " ", element("span", { class: "unit" }, range)),
        this.spark),
      element("div", { class: "entries" }, this.list, this.adder), this.error);
  }

  /** A further measurement, drawn; its field for the hour. */
  add(hour, value) {
    const item = this.#append(hour, value);
    this.draw();
    return item.querySelector("input");
  }

  #append(hour, value) {
    const called = `${this.title}, measurement ${this.list.children.length + 1}`;
    const box = (kind, content, label) => element("input", {
      type: "text", inputmode: "decimal", autocomplete: "off", class: kind, value: content, "aria-label": label,
    });
    const item = element("li", {},
      box("hour", hour, `${called}: hour, ${limits({ ...this.hour, "x-unit": "" })}`),
      element("span", { "aria-hidden": "true" }, "h"),
      box("value", value, `${called}: value${this.unit ? ` in ${this.unit}` : ""}`),
      element("button", {
        type: "button", class: "plain", "aria-label": `Remove ${called}`, onclick: () => this.#remove(item),
      }, "✕"));
    this.list.append(item);
    return item;
  }

  #remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    this.#changed();
    (next?.querySelector("input") ?? this.adder).focus();
  }

  /** Two columns of a spreadsheet become measurements; anything smaller is pasted as it is. */
  #paste(event) {
    const rows = pasted(event.clipboardData.getData("text"));
    if (rows.length < 2 && (rows[0]?.length ?? 0) < 2) return;
    event.preventDefault();
    const box = event.target.closest("li");
    if ([...box.querySelectorAll("input")].every(input => input.value.trim() === "")) box.remove();
    const added = rows.map(([hour, value]) => this.#append(hour, value ?? ""));
    this.#changed();
    added.at(-1).querySelector(".value").focus();
  }

  #changed() { this.element.dispatchEvent(new Event("input", { bubbles: true })); }

  fill(pairs) {
    this.list.replaceChildren();
    for (const [hour, value] of pairs ?? []) this.#append(hour, value);
    this.draw();
  }

  /** The two fields of each measurement in which anything stands, in their order. */
  #rows() {
    return [...this.list.children]
      .map(item => [...item.querySelectorAll("input")])
      .filter(pair => pair.some(input => input.value.trim() !== ""));
  }

  value() {
    const pairs = this.#rows().map(pair => pair.map(input => typed(input.value)));
    return pairs.length ? pairs : null;
  }

  get isStated() { return this.list.children.length > 0; }

  /** Show a problem ({said, steps}) with the series, or none; the control that it is about. */
  tell(problem) {
    for (const input of this.list.querySelectorAll("input")) input.removeAttribute("aria-invalid");
    this.error.textContent = problem?.said ?? "";
    this.error.hidden = !problem;
    if (!problem) return null;
    const [row, part] = problem.steps;
    const pair = this.#rows()[row] ?? [];
    const wrong = part === undefined ? pair : [pair[part]];
    for (const input of wrong) input.setAttribute("aria-invalid", "true");
    return wrong[0] ?? this.adder;
  }

  /** The course of the values over the hours: a slipped decimal point is seen at once. */
  draw() {
    const pairs = (this.value() ?? []).filter(pair => pair.every(Number.isFinite)).sort((a, b) => a[0] - b[0]);
    const values = pairs.map(pair => pair[1]);
    const low = Math.min(...values), span = Math.max(...values) - low;
    const until = this.hour.maximum ?? Math.max(1, ...pairs.map(pair => pair[0]));
    const points = pairs.map(([hour, value]) => [100 * hour / until, span ? 18 - 16 * (value - low) / span : 10]);
    const path = (kind, d) => element("svg:path", { class: kind, d });
    this.spark.replaceChildren(
      path("course", points.map(([x, y], n) => `${n ? "L" : "M"}${x} ${y}`).join("")),
      ...points.map(([x, y]) => path("point", `M${x} ${y}h.01`)));
  }
}
