"use strict";
// The page itself: which question, what is sent, and what is shown of what comes back.

let offers = []; // those that are answered
let papers = null;
let form = null; // RecordForm, where a record is asked for
let invented = null; // the example: a record
let asked = 0; // so that a late answer is not taken for that of a later question

function offer() { return offers[at("question").selectedIndex]; }

function path(rest = "") { return `v1/${encodeURIComponent(offer().name)}${rest}`; }

/** Say `text` to who hears the page. */
function say(text) { at("status").textContent = text; }

// -- who asks -------------------------------------------------------------------------------------
/** Tell `error` at the top; ask for another key where that is what is missing. */
function tellAbove(error) {
  const isAccess = error instanceof Refused && [401, 403, 429].includes(error.status); // 429: too often without
  at("trouble").hidden = isAccess;
  at("trouble").textContent = isAccess ? "" : inWords(error);
  if (isAccess) askForKey(inWords(error));
}

function askForKey(reason) {
  at("access").hidden = false;
  at("key-again").hidden = false;
  at("access-why").textContent = reason;
  at("key").focus();
}

async function useKey(event) {
  event.preventDefault();
  service.key = at("key").value.trim();
  at("key").value = "";
  // What was typed into the form stays when only the key was missing.
  if (papers) at("access").hidden = true; else await begin();
}

// -- which question -------------------------------------------------------------------------------
async function begin() {
  at("trouble").hidden = true;
  try {
    const listed = await service.ask("v1/");
    at("access").hidden = true;
    offers = listed.filter(each => each.served);
    showWaiting(listed.filter(each => !each.served));
    at("question").replaceChildren(...offers.map(each => element("option", {}, each.title)));
    at("question-row").hidden = offers.length < 2;
    if (offers.length) await choose();
    else if (!listed.length) throw new Error(`No model is served here: ${await (await service.send("readyz")).text()}`);
    if (service.key) at("title").focus();
  } catch (error) {
    at("served").hidden = true;
    tellAbove(error);
  }
}

/** The questions that have a model which may not be served, each with the reason. */
function showWaiting(waiting) {
  at("waiting").hidden = waiting.length === 0;
  at("waiting").replaceChildren(element("p", {}, element("strong", {}, "Not answered now")),
    element("ul", {}, waiting.map(each => element("li", {}, `${each.title}: ${each.problem}`))));
}

async function choose() {
  const number = asked += 1;
  const told = await service.ask(path());
  const example = told.payload === "record" ? await service.ask(path("/example")) : null;
  if (number !== asked) return; // another one was chosen in the meantime
  [papers, invented] = [told, example];
  document.title = `${offer().title} – medpipe`;
  at("title").textContent = offer().title;
  at("use").textContent = offer().intended_use;
  at("not-for").textContent = offer().not_for;
  at("about").replaceChildren(...about(papers));
  showForm();
  at("served").hidden = false;
}

function showForm() {
  const isRecord = papers.payload === "record";
  form = isRecord ? new RecordForm(papers.request) : null;
  forget();
  at("form").reset();
  at("file-part").hidden = isRecord;
  at("record-part").hidden = !isRecord;
  at("record").replaceChildren(...(isRecord ? [form.element] : []));
  at("file-hint").textContent = `At most ${papers.max_upload_mib} MiB. Its name is not sent.`;
  at("example").hidden = !papers.has_example;
  at("example").textContent = isRecord ? "Fill in an invented one" : "Try an invented one";
  if (isRecord) fillIn();
}

// -- what is sent ---------------------------------------------------------------------------------
function fillIn() {
  form.fill(invented);
  noteInvented();
}

async function tryExample() {
  if (form) {
    fillIn();
    changed();
    return;
  }
  const response = await service.fetched(path("/example"));
  await ask(ofFile(await response.blob()), true);
}

function isInvented() { return form !== null && form.states(invented); }

function noteInvented() { at("record-note").hidden = !isInvented(); }

function ofFile(file) {
  const body = new FormData();
  body.append("file", file, "upload"); // the file's own name stays here: it may name a person
  return { method: "POST", body };
}

function ofRecord(record) {
  return { method: "POST", body: JSON.stringify(record), headers: { "Content-Type": "application/json" } };
}

async function submit() {
  if (form) return ask(ofRecord(form.record()), isInvented());
  const [file] = at("file").files;
  if (!file) return tellErrors([{ error: "Choose a file first, or drop one.", control: at("file") }]);
  return ask(ofFile(file), false);
}

function clear() {
  asked += 1;
  at("form").reset();
  form?.fill({});
  noteInvented();
  forget();
  (form ? at("record").querySelector("input, select") : at("file")).focus();
}

// -- what comes back ------------------------------------------------------------------------------
/** No answer and no error is shown. */
function forget() {
  tellErrors([]);
  at("answer").hidden = true;
  at("result").replaceChildren();
  at("result").classList.remove("stale");
  say("");
}

async function ask(request, aboutInvented) {
  const number = asked += 1;
  forget();
  busy(true);
  try {
    const answer = await service.ask(path("?explain=true"), request);
    if (number === asked) show(answer, aboutInvented);
  } catch (error) {
    if (number === asked) tellRefusal(error);
  } finally {
    busy(false);
  }
}

function busy(isBusy) {
  const send = at("send");
  send.textContent = isBusy ? "Reading …" : "Get the answer";
  if (isBusy) send.setAttribute("aria-disabled", "true"); else send.removeAttribute("aria-disabled");
  if (isBusy) say("Reading …");
}

function show(answer, aboutInvented) {
  at("access").hidden = true;
  at("result").replaceChildren(...whole(answer, { papers, isInvented: aboutInvented }));
  at("answer").hidden = false;
  at("answer").focus({ preventScroll: true });
  at("answer").scrollIntoView({ block: "start" });
  say(brief(answer));
}

function tellRefusal(error) {
  say("");
  if (error instanceof Refused && [401, 403].includes(error.status)) return tellAbove(error);
  const hasPlaces = form && error.problems?.length;
  tellErrors(hasPlaces ? form.tell(error.problems) : [{ error: inWords(error), control: null }], error.answerId);
}

/** List what is wrong, each with a way to its field; none: nothing is wrong. */
function tellErrors(problems, answerId) {
  const box = at("errors");
  box.hidden = problems.length === 0;
  if (!problems.length) return form?.tell([]);
  const goTo = control => event => { event.preventDefault(); control.focus(); };
  box.replaceChildren(
    element("p", {}, element("strong", {}, "There is no answer yet")),
    element("ul", {}, problems.map(({ error, control }) => element("li", {},
      control ? element("a", { href: "#form", onclick: goTo(control) }, error) : error))),
    answerId ? element("p", { class: "hint" }, "In the service's log: ", code(answerId)) : "");
  box.focus();
}

/** An answer is of what was sent, not of what stands in the form now. */
function changed() {
  noteInvented();
  const result = at("result");
  if (at("answer").hidden || result.classList.contains("stale")) return;
  result.classList.add("stale");
  result.prepend(element("p", { class: "caution" }, "The form has changed since this answer. Ask again."));
}

/** A file that is dropped anywhere is meant for the form: the browser would leave the page for it. */
function dropped(event) {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  at("file-part").classList.toggle("over", event.type === "dragover");
  if (event.type !== "drop" || form || !event.dataTransfer.files.length) return;
  at("file").files = event.dataTransfer.files;
  changed();
}

at("question").addEventListener("change", () => choose().catch(tellAbove));
at("key-form").addEventListener("submit", useKey);
at("key-again").addEventListener("click", () => askForKey("Another key may be used from now on."));
at("form").addEventListener("submit", event => {
  event.preventDefault();
  if (!at("send").hasAttribute("aria-disabled")) submit();
});
at("form").addEventListener("input", changed);
at("example").addEventListener("click", () => tryExample().catch(tellAbove));
at("clear").addEventListener("click", clear);
for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, dropped);
begin();
