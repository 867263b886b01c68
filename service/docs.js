"use strict";
// The OpenAPI document for people who write programs: routes, fields, and examples to send.

let documented = null;
const LONG = 400; // characters of a text in an answer that are shown; pictures are longer

function resolved(schema) {
  return schema?.$ref ? documented.components.schemas[schema.$ref.split("/").at(-1)] : schema ?? {};
}

/** What a value may be, in a few words. */
function kindIn(schema) {
  if (schema["x-allowed"]) return schema["x-allowed"];
  if (schema.enum) return schema.enum.filter(each => each !== null).join(", ");
  if (schema.$ref) return resolved(schema).title ?? schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(kindIn).join(" or ");
  if (schema.items) return `list of ${kindIn(schema.items)}`;
  const { minimum: low, maximum: high } = schema;
  const limits = low == null && high == null ? "" : ` ${low ?? "…"} to ${high ?? "…"}`;
  return `${[schema.type ?? "anything"].flat().join(" or ")}${limits}`;
}

/** The fields of an object, one a line; of anything else, what it is. */
function fields(schema) {
  const held = resolved(schema);
  if (held.type === "array" && held.items) return [element("p", {}, "A list; of each:"), fields(held.items)].flat();
  if (!held.properties) return [element("p", {}, kindIn(held))];
  const needed = held.required ?? [];
  return [table(["Field", "Allowed", "Needed", "Meaning"], Object.entries(held.properties).map(([name, field]) => [
    element("code", {}, name), kindIn(field), needed.includes(name) ? "yes" : "no",
    field.description ?? resolved(field).description ?? "",
  ]))];
}

/** A record with one field a line, so that long series stay readable. */
function lines(record) {
  const said = Object.entries(record).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `{\n${said.join(",\n")}\n}`;
}

/** JSON in which no text is longer than a screen. */
function readable(content) {
  const short = (_, value) => typeof value === "string" && value.length > LONG
    ? `${value.slice(0, 40)}… (${value.length} characters)` : value;
  return JSON.stringify(content, short, 2);
}

/** One operation, with a form that sends it. */
class Operation {
  constructor(path, method, said) {
    Object.assign(this, { path, method: method.toUpperCase(), said });
    this.id = `${method}${path}`.replace(/\W+/g, "-");
    this.content = said.requestBody?.content ?? {};
    this.inputs = (said.parameters ?? []).map(each => [each, this.#input(each)]);
    this.outcome = element("div", { "aria-live": "polite" });
    this.element = element("details", { id: this.id },
      element("summary", {}, element("span", { class: "method" }, this.method), " ",
        element("code", {}, path), " ", element("span", { class: "said" }, said.summary ?? "")),
      (said.description ?? "").split("\n\n").filter(Boolean).map(text => element("p", {}, text)),
      element("p", { class: "hint" }, `Scope: ${said["x-scope"]}`),
      this.#body(), this.#form(), this.outcome, this.#answers());
  }

  #input(parameter) {
    const id = `${this.id}-${parameter.name}`;
    const choices = parameter.schema.enum ?? (parameter.schema.type === "boolean" ? [true, false] : null);
    const made = choices
      ? element("select", { id }, choices.map(each => element("option", {}, String(each))))
      : element("input", { id, type: "text", required: parameter.required });
    if (parameter.schema.default !== undefined) made.value = String(parameter.schema.default);
    return made;
  }

  /** What is sent: the fields of the JSON, or that it is a file. */
  #body() {
    const types = Object.keys(this.content);
    if (!types.length) return "";
    const json = types.find(type => type.includes("json") && this.content[type].schema?.$ref);
    return element("section", {}, element("h3", {}, "What is sent"),
      element("p", { class: "hint" }, `Content-Type: ${types.join(", ")}`),
      json ? fields(this.content[json].schema) : "");
  }

  /** The invented examples that the document gives, each with its type. */
  #examples() {
    return Object.entries(this.content).flatMap(([type, { examples }]) =>
      Object.values(examples ?? {}).map(example => ({ type, ...example })));
  }

  #form() {
    const [example] = this.#examples();
    this.example = example;
    const isText = Object.keys(this.content).some(type => type.includes("json")) && !example?.externalValue;
    const body = `${this.id}-body`;
    this.text = isText ? element("textarea", { id: body, rows: 12, spellcheck: "false" }) : null;
    if (this.text) this.text.value = example ? lines(example.value) : "{}";
    this.file = !isText && Object.keys(this.content).length ? element("input", { id: body, type: "file" }) : null;
    return element("form", { onsubmit: event => { event.preventDefault(); this.send(); } },
      this.inputs.map(([parameter, input]) => element("p", {},
        element("label", { for: input.id }, parameter.name, " ",
          element("span", { class: "hint" }, parameter.description ?? "")), input)),
      this.text ? [element("label", { for: body }, example ? "An invented example" : "Body"), this.text] : "",
      this.file ? [
        element("label", { for: body }, example ? "A file; without one, the invented example is sent" : "A file"),
        this.file,
      ] : "",
      element("div", { class: "actions" },
        element("button", { class: "primary" }, "Send",
          element("span", { class: "unseen" }, ` ${this.method} ${this.path}`))));
  }

  #answers() {
    const said = Object.entries(this.said.responses);
    const ok = said.find(([status]) => status.startsWith("2"))?.[1];
    const schema = Object.values(ok?.content ?? {})[0]?.schema;
    return element("section", {}, element("h3", {}, "What comes back"), schema ? fields(schema) : "",
      element("details", {}, element("summary", {}, "Statuses"),
        table(["Status", "Meaning"], said.map(([status, { description }]) => [status, description]))));
  }

  #address() {
    const query = new URLSearchParams();
    let path = this.path;
    for (const [parameter, input] of this.inputs) {
      if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    return `${path.slice(1)}${query.size ? `?${query}` : ""}`;
  }

  async #request() {
    if (this.text) {
      const type = Object.keys(this.content).find(each => each.includes("json"));
      return { method: this.method, body: this.text.value, headers: { "Content-Type": type } };
    }
    if (!this.file) return { method: this.method };
    const [chosen] = this.file.files;
    if (!chosen && !this.example) throw new Error("Choose a file first.");
    const body = new FormData();
    body.append("file", chosen ?? await (await service.send(this.example.externalValue.slice(1))).blob(), "upload");
    return { method: this.method, body };
  }

  async send() {
    this.outcome.replaceChildren(element("p", { class: "empty" }, "Sending …"));
    try {
      const response = await service.send(this.#address(), await this.#request());
      const type = response.headers.get("content-type") ?? "";
      const text = type.includes("json") ? readable(await response.json())
        : type.startsWith("image/") ? `${(await response.blob()).size} bytes of ${type}` : await response.text();
      this.outcome.replaceChildren(
        element("p", {},
          element("strong", {}, `${response.ok ? "✓" : "✕"} ${response.status} ${response.statusText}`), ` ${type}`),
        element("pre", { tabindex: 0, "aria-label": "What came back" }, text));
    } catch (error) {
      this.outcome.replaceChildren(element("p", { class: "error" }, inWords(error)));
    }
  }
}

async function show() {
  try {
    documented = await service.ask("v1/openapi.json");
  } catch (error) {
    at("access").hidden = false;
    at("access-why").textContent = inWords(error);
    at("key").focus();
    return;
  }
  at("access").hidden = true;
  const groups = new Map();
  for (const [path, operations] of Object.entries(documented.paths)) {
    for (const [method, said] of Object.entries(operations)) {
      const group = said.tags?.[0] ?? "The service";
      groups.set(group, [...groups.get(group) ?? [], new Operation(path, method, said).element]);
    }
  }
  at("routes").replaceChildren(...[...groups].map(([group, operations]) =>
    element("section", { "aria-label": group }, element("h2", {}, group), operations)));
}

at("key-form").addEventListener("submit", event => {
  event.preventDefault();
  service.key = at("key").value.trim();
  at("key").value = "";
  show();
});
show();
