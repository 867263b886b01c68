"use strict";
// Asking the service, and what it says instead of an answer.

class Refused extends Error {
  constructor(status, content) {
    super(content?.error ?? `The service, or a proxy before it, answered with status ${status} and without a `
      + "reason. Try again; if it goes on, tell who runs it.");
    this.status = status;
    this.problems = content?.problems ?? [];
    this.answerId = content?.answer_id;
  }
}

/** The way to the service. The key lives here, and so no longer than the page. */
const service = {
  key: "",

  /** The response to `request`; who asks is told by the key alone, never by what a browser keeps. */
  async send(path, request = {}) {
    const headers = { ...request.headers };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    return fetch(path, { ...request, headers, credentials: "omit" });
  },

  /** The response to `request` where it is a good one. Throws Refused; TypeError where nobody answers. */
  async fetched(path, request) {
    const response = await this.send(path, request);
    if (response.ok) return response;
    let content = null;
    try { content = await response.json(); } catch { /* of a proxy: its page is for nobody here */ }
    throw new Refused(response.status, content);
  },

  /** The JSON that answers `request`. Throws as `fetched`. */
  async ask(path, request) { return (await this.fetched(path, request)).json(); },
};

/** An error in words that say what to do. */
function inWords(error) {
  if (error instanceof TypeError) {
    return "The service cannot be reached. Is it running, and is this machine connected to it? Then send it again.";
  }
  return error.message;
}
