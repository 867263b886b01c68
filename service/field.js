"use strict";
// One field of a form, made from its JSON Schema. What may be stated is judged by the service alone:
// a field gives what was typed, and shows what the service says of it.

/** The type of a field that may also be null. */
function kindOf(schema) {
  const types = [schema.type].flat().filter(type => type !== "null");
  return schema.enum ? "choice" : types[0];
}

/** "10 to 300 mmHg": the limits of a number, with its unit. */
function limits(schema) {
  const { minimum: low, maximum: high } = schema;
  if (low == null && high == null) return schema["x-unit"] ?? "";
  const range = low == null ? `up to ${high}` : high == null ? `from ${low}` : `${low} to ${high}`;
  return `${range} ${schema["x-unit"] ?? ""}`.trim();
}

/** What was typed: a number where it is one, else the text as it stands; null for nothing. */
function typed(text) {
  const plain = text.trim();
  if (plain === "") return null;
  return Number.isFinite(Number(plain)) ? Number(plain) : plain;
}

/** One value: a number, a text, a day, a choice, yes or no. */
class Field {
  constructor(name, schema, isNeeded) {
    this.kind = kindOf(schema);
    this.title = schema.title;
    this.input = this.#control(schema);
    const id = this.input.id = `field-${name}`;
    this.error = element("p", { class: "error", id: `${id}-error`, hidden: true });
    this.input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
    if (isNeeded) this.input.required = true;
    this.element = element("div", { class: "field" },
      element("label", { for: id }, capital(schema.title), isNeeded ? " (needed)" : "",
        schema["x-unit"] ? element("span", { class: "unit" }, ` ${schema["x-unit"]}`) : ""),
      this.input,
      element("p", { class: "hint", id: `${id}-hint` }, this.#hint(schema)),
      this.error);
  }

  get #isNumber() { return this.kind === "number" || this.kind === "integer"; }

  #hint(schema) {
    const meaning = schema.description === schema.title ? "" : schema.description;
    return [meaning, this.#isNumber ? limits(schema) : ""].filter(Boolean).join("; ");
  }

  #control(schema) {
    const choices = this.kind === "boolean" ? [["true", "yes"], ["false", "no"]]
      : this.kind === "choice" ? schema.enum.filter(each => each !== null).map(each => [each, each])
        : null;
    if (choices) {
      return element("select", {}, element("option", { value: "" }, "not known"),
        choices.map(([value, text]) => element("option", { value }, text)));
    }
    if (schema.format === "date") return element("input", { type: "date" });
    return element("input", { type: "text", autocomplete: "off", inputmode: this.#isNumber ? "decimal" : null });
  }

  fill(value) { this.input.value = value == null ? "" : String(value); }

  value() {
    const text = this.input.value;
    if (this.kind === "boolean") return text === "" ? null : text === "true";
    return this.#isNumber ? typed(text) : text.trim() || null;
  }

  get isStated() { return this.value() !== null; }

  /** Show a problem ({said}) with the field, or none; the control that it is about. */
  tell(problem) {
    this.error.textContent = problem?.said ?? "";
    this.error.hidden = !problem;
    if (problem) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
    return this.input;
  }
}
