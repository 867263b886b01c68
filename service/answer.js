"use strict";
// An answer in words. Each kind of question is told by the field that only its answers have.

/** A shape beside the words, so that the colour is not needed. */
function sign(isFlagged) { return element("span", { "aria-hidden": "true" }, isFlagged ? "▲ " : "● "); }

function flag(isFlagged, threshold) {
  const side = isFlagged ? "Flagged: at or above" : "Not flagged: below";
  return `${side} the threshold of ${percent(threshold)}`;
}

/** A probability as people count: "about 12 of 100 such patients". */
function counted(risk) {
  const of = risk < 0.01 ? 1000 : 100;
  const number = Math.round(of * risk);
  return number ? `about ${number} of ${of} such patients` : `fewer than 1 of ${of} such patients`;
}

function outcomes({ outcomes: named, words }) {
  const all = named.length > 2 ? "all" : "both";
  if (words === "cannot tell") return `The model cannot tell: ${named.join(" and ")} are ${all} possible.`;
  if (named.length > 1) return `Possible: ${named.join(" or ")}.`;
  if (named.length === 1) return `Only ${named[0]} is possible.`;
  return "No outcome fits this patient as well as it fits nearly all who have it.";
}

/** What cannot be ruled out, in words; nothing where the model does not say. */
function possible(set) {
  if (!set) return "";
  return element("p", { class: set.outcomes.length === 1 ? "" : "caution" },
    element("strong", {}, outcomes(set)),
    ` In ${percent(set.coverage)} of patients the truth is among what is called possible.`);
}

const KINDS = {
  risk: {
    brief: answer => `Calibrated risk ${percent(answer.risk)}. ${flag(answer.decision, answer.threshold)}.`,
    whole: answer => [
      element("p", { class: "kind" }, "Calibrated risk"),
      element("p", { class: "figure" }, percent(answer.risk)),
      element("p", { class: "counted" }, counted(answer.risk)),
      element("p", { class: answer.decision ? "verdict flagged" : "verdict" },
        sign(answer.decision), flag(answer.decision, answer.threshold)),
      riskScale(answer.risk, answer.threshold, { isFlagged: answer.decision, name: "Calibrated risk" }),
      possible(answer.possible),
    ],
  },
  classes: {
    brief: answer => `Most probable: ${answer.decision}.`,
    whole: answer => [
      element("p", { class: "kind" }, "Most probable"),
      element("p", { class: "figure" }, answer.decision),
      possible(answer.possible),
      table(["Class", "Calibrated probability"], answer.classes.map(each => [
        each.name, [percent(each.probability), bar(each.probability, 1)],
      ]), [1]),
    ],
  },
  labels: {
    brief: answer => `Flagged: ${flaggedIn(answer)}.`,
    whole: answer => [
      element("p", { class: "kind" }, "Flagged"),
      element("p", { class: "figure" }, flaggedIn(answer)),
      answer.labels.map(each => element("section", { "aria-label": each.name },
        element("h3", {}, sign(each.decision), `${each.name}: ${percent(each.risk)}`),
        element("p", { class: "hint" }, `${each.meaning}. ${flag(each.decision, each.threshold)}.`),
        riskScale(each.risk, each.threshold, { isFlagged: each.decision, name: each.name }),
        possible(each.possible))),
    ],
  },
  value: {
    brief: answer => `${quantity(answer.value, answer.unit)}.`,
    whole: answer => [
      element("p", { class: "figure" }, quantity(answer.value, answer.unit)),
      rangeScale(answer),
      element("p", {}, `In ${percent(answer.coverage)} of patients the true value lies in such a range: `,
        `${quantity(answer.low, answer.unit)} to ${quantity(answer.high, answer.unit)}.`),
    ],
  },
};

const ABSTAINED = {
  brief: () => "No answer: the model is not for this input.",
  whole: () => [
    element("p", { class: "figure" }, "No answer"),
    element("p", {}, "The model is not for this input, and says nothing of it. Decide without it."),
  ],
};

function flaggedIn(answer) {
  return answer.labels.filter(each => each.decision).map(each => each.name).join(", ") || "none";
}

function kindOfAnswer(answer) {
  return answer.abstained ? ABSTAINED : KINDS[Object.keys(KINDS).find(name => answer[name] != null)];
}

/** The answer in one sentence, for who hears it. */
function brief(answer) {
  const cautions = answer.warnings.length;
  const more = cautions ? ` With ${cautions} caution${cautions > 1 ? "s" : ""}.` : "";
  return kindOfAnswer(answer).brief(answer) + more;
}

/** Cautions; the first of an unfamiliar input says so, with numbers. */
function cautions(answer) {
  return answer.warnings.map((text, number) => {
    const isForeign = answer.unfamiliar && number === 0;
    return element("p", { class: isForeign ? "caution strong" : "caution" },
      element("strong", {}, isForeign ? "Unfamiliar input: " : "Caution: "), text);
  });
}

/** What to keep with the notes: it leads to model, data and approval. */
function traced(answer, papers) {
  return facts([
    ["Answer", code(answer.answer_id)],
    ["Model version", answer.model_version],
    ["Certificate", code(answer.certificate_sha256)],
    ["… valid until", until(papers.certificate)],
    ["Before calibration", answer.probability == null ? null : percent(answer.probability)],
    ["Distance from the training data", `${answer.distance.toFixed(2)} of what is still familiar`],
    ["Took", `${answer.duration_ms.toFixed(0)} ms`],
  ]);
}

/** The whole answer, as elements. */
function whole(answer, { papers, isInvented }) {
  return [
    isInvented ? element("p", { class: "note" }, "This is about the invented example, and about nobody.") : "",
    kindOfAnswer(answer).whole(answer), cautions(answer), why(answer.explanation),
    element("h3", {}, "To trace it"), traced(answer, papers),
    element("div", { class: "actions" },
      element("button", { type: "button", onclick: () => print() }, "Print this answer")),
  ].flat(2).filter(Boolean);
}
