"use strict";
// A number drawn on a line, with what it is held against.

function placed(tag, kind, left, ...children) {
  const made = element(tag, { class: kind }, ...children);
  made.style.left = `${left}%`;
  return made;
}

/** A risk on a line from 0 to 100 %, with the threshold. */
function riskScale(risk, threshold, { isFlagged, name }) {
  const side = threshold < 0.3 ? "start" : threshold > 0.7 ? "end" : "";
  const part = element("div", { class: isFlagged ? "part flagged" : "part" });
  part.style.width = `${100 * risk}%`;
  const label = `${name} ${percent(risk)}, threshold ${percent(threshold)}`;
  return element("div", { class: "scale", role: "img", "aria-label": label },
    element("div", { class: "track" }, part),
    placed("div", "limit", 100 * threshold),
    threshold > 0.35 ? element("span", { class: "under first" }, "0\u00a0%") : "",
    placed("span", `under ${side}`, 100 * threshold, `threshold ${percent(threshold)}`),
    threshold < 0.6 ? element("span", { class: "under last" }, "100\u00a0%") : "");
}

/** A quantity on a line that is a little wider than its range. */
function rangeScale({ value, low, high, unit }) {
  const room = (high - low) / 4 || 1;
  const place = number => 100 * (number - low + room) / (high - low + 2 * room);
  const part = placed("div", "part", place(low));
  part.style.width = `${place(high) - place(low)}%`;
  const label = `${quantity(value, unit)}, between ${quantity(low, unit)} and ${quantity(high, unit)}`;
  return element("div", { class: "scale", role: "img", "aria-label": label },
    element("div", { class: "track" }, part), placed("div", "limit", place(value)),
    [low, high].map(end => placed("span", "under", place(end), quantity(end, unit))));
}
