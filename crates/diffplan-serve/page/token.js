// The token, where the server wants one.

import { $, sentence, show } from "./words.js";

/** Asks for the token of a server; one question at a time, whoever asks. */
export class Token {
  #server;
  /** `{promise, done}` of the question that is open. */
  #open = null;

  constructor(server) {
    this.#server = server;
    // There is nothing behind it to go back to.
    $("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
    $("token-form").addEventListener("submit", () => {
      server.token = $("token").value.trim();
      const { done } = this.#open;
      this.#open = null;
      done();
    });
  }

  /** Opens the dialog after `error`, which said that a token is missing or wrong; resolves when one was entered. */
  ask(error) {
    if (!this.#open) {
      let done;
      const promise = new Promise((resolve) => (done = resolve));
      this.#open = { promise, done };
      show($("token-error"), this.#server.hasToken ? sentence(error.message) : null);
      $("token").value = "";
      $("token-dialog").showModal();
    }
    return this.#open.promise;
  }
}
