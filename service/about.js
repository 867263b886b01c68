"use strict";
// Card, verdict and certificate: what is known of the model, and who allowed it.

/** "0.912 (0.884–0.935)", or why there is no such figure. */
function measured(value) {
  if (value === null || typeof value !== "object") return value == null ? "" : String(value);
  if (value.value == null) return `undefined: ${value.undefined ?? "no reason given"}`;
  const figure = value.value.toFixed(3);
  return value.low == null ? figure : `${figure} (${value.low.toFixed(3)}–${value.high.toFixed(3)})`;
}

const SHORT = /\b(auroc|auprc|ppv|npv|ece|mae|rmse|f1)\b/g;

function words(name) { return capital(name.replaceAll("_", " ").replace(SHORT, short => short.toUpperCase())); }

function folded(title, ...content) { return element("details", {}, element("summary", {}, title), ...content); }

function splits(card) {
  return Object.entries(card.splits ?? {}).filter(([, split]) => split?.metrics).map(([name, split]) =>
    folded(`Measured on ${name}: ${split.examples} examples of ${split.groups} patients`,
      table(["Measure", "Value (interval)"],
        Object.entries(split.metrics).map(([metric, value]) => [words(metric), measured(value)]))));
}

/** What was made of the model's own answers since it was measured. */
function recalibrated(card) {
  if (!card.recalibration) return "";
  const { of, words: said } = card.recalibration;
  return folded(`Recalibrated: version ${of} with other risks`, ...said.map(each => element("p", {}, each)));
}

function subgroups(card) {
  const judged = (card.subgroups ?? []).filter(each => each.metrics);
  if (!judged.length) return "";
  const [main] = Object.keys(judged[0].metrics);
  return folded(`Subgroups (${judged.length})`,
    table(["Subgroup", "Examples", words(main)], judged.map(each => [
      `${words(each.column)}: ${each.value}`, each.examples, measured(each.metrics[main]),
    ]), [1]));
}

function gate(certificate) {
  const checks = Array.isArray(certificate.checks) ? certificate.checks : [];
  if (!checks.length) return "";
  const passed = checks.filter(check => check.passed).length;
  return folded(`The gate's last verdict: allowed, ${passed} of ${checks.length} checks passed`,
    table(["Check", "Outcome", "Why"], checks.map(check => [
      words(check.name), check.passed ? "✓ passed" : "✕ not passed", check.why,
    ])));
}

/** The certificate's end, and how far away it is. */
function until(certificate) {
  if (!certificate.expires) return "no day is set";
  const days = Math.floor((new Date(certificate.expires) - Date.now()) / 86_400_000);
  return `${when(certificate.expires)}, in ${days} day${days === 1 ? "" : "s"}`;
}

function signed(papers) {
  const { certificate } = papers;
  return folded("Certificate", facts([
    ["Digest", code(papers.certificate_sha256)],
    ["Code", code(certificate.commit)],
    ["Data", code(certificate.raw_version)],
    ["Split receipt", code(certificate.receipt)],
    ["Training run", code(certificate.run_id)],
    ["Report", code(certificate.report)],
    ["Policy", code(certificate.policy)],
    ["Signed with", code(certificate.public_key)],
    ...Object.entries(certificate.digests ?? {}).map(([name, digest]) => [name, code(digest)]),
  ]));
}

/** Everything but the use, which stands above the form. */
function about(papers) {
  const { card, certificate } = papers;
  return [
    papers.problem ? element("p", { class: "caution" }, `A newer model on disk is not served: ${papers.problem}`) : "",
    facts([
      ["Version", certificate.version],
      ["Allowed by", certificate.approver],
      ["Allowed on", when(certificate.issued)],
      ["Valid until", until(certificate)],
      ["Measured", when(card.measured)],
    ]),
    gate(certificate), recalibrated(card), splits(card), subgroups(card), signed(papers),
  ].flat().filter(Boolean);
}
