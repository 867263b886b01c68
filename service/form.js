"use strict";
// A form made from the JSON Schema of a record.

/** The whole record. Series that are not stated wait in a list until somebody adds them. */
class RecordForm {
  constructor(schema) {
    this.fields = new Map(Object.entries(schema.properties).map(([name, field]) => [
      name,
      kindOf(field) === "array" ? new Series(name, field) : new Field(name, field, schema.required.includes(name)),
    ]));
    this.plain = element("div", { class: "fields" });
    this.others = element("div", { class: "fields" });
    this.more = element("details", {}, element("summary"), this.others);
    this.series = element("div");
    this.choice = element("select", { id: "add-series" });
    this.adding = element("div", { class: "adding" },
      element("label", { for: "add-series" }, "Measured, too"), this.choice,
      element("button", { type: "button", onclick: () => this.#show() }, "Add this series"));
    this.element = element("div", {}, this.plain, this.more, this.#hasSeries ? this.#measurements() : "");
  }

  get #hasSeries() { return [...this.fields.values()].some(field => field instanceof Series); }

  #measurements() {
    return element("section", { "aria-labelledby": "measurements" },
      element("h3", { id: "measurements" }, "Measurements"),
      element("p", { class: "hint" },
        "Hours since the start, and the value. Two columns of a spreadsheet can be pasted into any of these fields."),
      this.series, this.adding);
  }

  /** State `record`; fields that it does not state stay empty, below the others. */
  fill(record) {
    this.clear();
    for (const [name, field] of this.fields) field.fill(record[name]);
    this.#arrange();
  }

  clear() {
    for (const field of this.fields.values()) { field.fill(null); field.tell(null); }
  }

  #arrange() {
    const parts = { plain: [], others: [], series: [] };
    const isAnyStated = [...this.fields.values()].some(field => field.isStated);
    this.choice.replaceChildren();
    for (const [name, field] of this.fields) {
      const isShown = field.isStated || !isAnyStated || field.input?.required;
      if (field instanceof Field) parts[isShown ? "plain" : "others"].push(field.element);
      else if (field.isStated) parts.series.push(field.element);
      else this.choice.append(element("option", { value: name }, capital(field.title)));
    }
    for (const [part, elements] of Object.entries(parts)) this[part].replaceChildren(...elements);
    this.more.firstChild.textContent = `Further fields (${parts.others.length}): leave empty what is not known`;
    this.more.hidden = parts.others.length === 0;
    this.adding.hidden = this.choice.length === 0;
  }

  #show() {
    const field = this.fields.get(this.choice.value);
    this.series.append(field.element);
    this.choice.selectedOptions[0].remove();
    this.adding.hidden = this.choice.length === 0;
    field.add("", "").focus();
  }

  /** What is stated, as the service takes it. */
  record() {
    const stated = [...this.fields].map(([name, field]) => [name, field.value()]);
    return Object.fromEntries(stated.filter(([, value]) => value !== null));
  }

  /** Whether exactly `record` is stated. */
  states(record) {
    const named = [...this.fields.keys()].filter(name => record[name] != null);
    const inOrder = Object.fromEntries(named.map(name => [name, record[name]]));
    return JSON.stringify(this.record()) === JSON.stringify(inOrder);
  }

  /** Show `problems` ({place, error}) at their fields; each with the control that it is about. */
  tell(problems) {
    for (const field of this.fields.values()) field.tell(null);
    return problems.map(({ place, error }) => {
      const [, name, ...steps] = place.split("/");
      const field = this.fields.get(name);
      if (!field) return { error, control: null };
      if (this.others.contains(field.element)) this.more.open = true;
      const said = error.replaceAll(name, field.title); // the service says what programs call it
      return { error: said, control: field.tell({ said, steps }) };
    });
  }
}
