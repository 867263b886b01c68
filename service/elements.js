"use strict";
// Making elements: what every page here needs.

const at = id => document.getElementById(id);

/** An element with attributes and children; strings become text, never markup. */
function element(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter(child => child != null && child !== ""));
  return made;
}

/** A table with a head; cells are texts or elements, and those of a column in `numbers` numbers. */
function table(head, rows, numbers = []) {
  const kind = column => (numbers.includes(column) ? { class: "number" } : {});
  const cell = (content, column) => column === 0
    ? element("th", { scope: "row" }, content)
    : element("td", kind(column), content);
  return scrolled(head.join(", "), element("table", {},
    element("thead", {}, element("tr", {},
      head.map((text, column) => element("th", { scope: "col", ...kind(column) }, text)))),
    element("tbody", {}, rows.map(cells => element("tr", {}, cells.map(cell))))));
}

/** Something wide, which scrolls by itself: by keys too, so that it can be reached by them. */
function scrolled(label, wide, kind = "") {
  return element("div", { class: `scroll ${kind}`.trim(), role: "group", tabindex: 0, "aria-label": label }, wide);
}

/** Names and values, those without a value left out. */
function facts(pairs) {
  return element("dl", {}, pairs
    .filter(([, value]) => value != null && value !== "")
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function code(text) { return text ? element("span", { class: "code" }, text) : null; }

function capital(text) { return text.charAt(0).toUpperCase() + text.slice(1); }

function percent(share) { return `${(100 * share).toFixed(1)}\u00a0%`; }

function quantity(value, unit) { return `${Number(value.toPrecision(4))}\u00a0${unit ?? ""}`.trim(); }

/** A time in words that sort, to the minute; what is none stays as it is. */
function when(text) {
  const time = new Date(text ?? "");
  return Number.isNaN(time.getTime()) ? text : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
