"use strict";
// Why: the strongest reasons in words, and where the evidence lies, drawn.

function source(explanation, data) { return `data:${explanation.media_type};base64,${data}`; }

const SEEN = 70; // % of the drawing at first, so that what lies below it is seen too

/** The drawing over the picture; how much of it is seen is the reader's choice. */
function layers(explanation) {
  const above = element("img", { class: "above", src: source(explanation, explanation.picture), alt: "" });
  const shown = element("span", { class: "number", "aria-hidden": "true" }); // a slider tells its own value
  const see = () => { above.style.opacity = slider.value / 100; shown.textContent = `${slider.value}\u00a0%`; };
  const slider = element("input", {
    type: "range", id: "opacity", min: 0, max: 100, step: 5, value: SEEN, oninput: see,
  });
  see();
  return element("figure", {},
    element("div", { class: "layers" },
      element("img", { src: source(explanation, explanation.plain), alt: "What was asked about, with the evidence drawn over it" }),
      above),
    element("div", { class: "slider" }, element("label", { for: "opacity" }, "Heat map"), slider, shown),
    element("figcaption", {}, "The brighter a place, the more it counted for the answer. ",
      "It shows what the model looked at, not what is ill."));
}

function drawing(explanation) {
  const label = "What raised and what lowered the model's score";
  return element("figure", {},
    scrolled(label, element("img", {
      src: source(explanation, explanation.picture), alt: `${label}: the strongest stand in the table above`,
    }), "drawing"),
    element("figcaption", {}, "It shows what moved the model, not what makes somebody ill."));
}

function bar(share, most) {
  const made = element("span", { class: "bar", "aria-hidden": "true" });
  made.style.width = `${100 * Math.abs(share) / most}%`;
  return made;
}

/** The strongest reasons, each with what it did to the score. */
function reasons(explanation) {
  const most = Math.max(...explanation.reasons.map(reason => Math.abs(reason.effect)));
  const effect = reason => {
    const raises = reason.effect > 0;
    return element("span", { class: raises ? "effect raises" : "effect lowers" },
      `${raises ? "▲ raises" : "▼ lowers"} by ${Math.abs(reason.effect).toFixed(2)}`, bar(reason.effect, most));
  };
  return table(["What moved the score most", "As stated", "Effect on the logit"],
    explanation.reasons.map(reason => [reason.what, reason.value, effect(reason)]));
}

/** All of why, as elements; nothing where it was not said. */
function why(explanation) {
  if (!explanation) return [];
  return [
    element("h3", {}, "Why"),
    explanation.reasons.length ? reasons(explanation) : "",
    explanation.plain ? layers(explanation) : drawing(explanation),
  ];
}
