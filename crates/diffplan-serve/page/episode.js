// An episode that the server plays: opened, watched, changed; and found again after the connection was lost.

import { ServerError } from "./server.js";

const SILENCE = 30_000;
const WAITS = [500, 1000, 2000, 4000, 8000];

export class Episode {
  #server;
  #on;
  #id = null;
  #closed = new AbortController();
  /** What the next opening asks for: what holds now, so that an episode that the server forgot begins again as it was. */
  #wish = {};

  /**
   * `on`: `opened(info)`, `frame(data)`, `end(data)`, `holds(info)`, `error(body)` of what the server says; `live()`, `lost(error, seconds)`
   * of the connection; `denied(error)`, after which it waits for what that returns.
   */
  constructor(server, on) {
    this.#server = server;
    this.#on = on;
  }

  /** Opens an episode and watches it until `close`. */
  async run(wish) {
    this.#wish = wish;
    for (let failures = 0; !this.#closed.signal.aborted;) {
      try {
        if (this.#id === null) await this.#open();
        await this.#server.stream("GET", this.#path("/events"), {
          signal: this.#closed.signal,
          silence: SILENCE,
          opened: () => {
            failures = 0;
            this.#on.live();
          },
          on: (name, data) => this.#hear(name, data),
        });
        // The server ended the stream: where it goes down, the next try says so.
        if (!this.#closed.signal.aborted) await pause(200);
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        if (error.status === 401) {
          await this.#on.denied(error);
          continue;
        }
        if (error.status === 404 && this.#id !== null) {
          // The server knows it no more: a new one.
          this.#id = null;
          continue;
        }
        const wait = WAITS[Math.min(failures, WAITS.length - 1)];
        failures += 1;
        this.#on.lost(error, wait / 1000);
        await pause(wait);
      }
    }
  }

  async #open() {
    const info = await this.#server.ask("POST", "/v1/episodes", this.#wish);
    this.#id = info.id;
    this.#on.opened(info);
  }

  #hear(name, data) {
    if (name === "frame") this.#on.frame(data);
    else if (name === "end") this.#on.end(data);
    else if (name === "error") this.#on.error(data.error ?? data);
  }

  /** Changes what is given, options, goal, paused, speed; before there is an episode, for its opening. */
  async change(what) {
    const info = this.#id === null ? null : await this.#server.ask("PATCH", this.#path(), what);
    const { options, ...rest } = what;
    this.#wish = { ...this.#wish, ...rest, options: { ...this.#wish.options, ...options } };
    this.#on.holds(info ?? what);
  }

  step() {
    return this.#server.ask("POST", this.#path("/step"), {});
  }

  reset(seed) {
    this.#wish = { ...this.#wish, seed };
    return this.#server.ask("POST", this.#path("/reset"), { seed });
  }

  /** Ends it on the server too; the page may be going. */
  close() {
    this.#closed.abort();
    if (this.#id !== null) this.#server.ask("DELETE", this.#path(), undefined, { keepalive: true }).catch(() => {});
  }

  #path(rest = "") {
    if (this.#id === null) throw new ServerError(0, { message: "there is no episode yet" });
    return `/v1/episodes/${encodeURIComponent(this.#id)}${rest}`;
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
