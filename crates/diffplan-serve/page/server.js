// The server's interface: JSON in and out, and streams of events with a token, which EventSource could not send.

/** What the server refused, also within a stream, or why it was not reached: `status` 0 then. */
export class ServerError extends Error {
  constructor(status, { kind = "unreachable", message, option = null }) {
    super(message);
    this.status = status;
    this.kind = kind;
    this.option = option;
  }
}

/** Of an answer that is no success. */
async function refusal(response) {
  let error;
  try {
    error = (await response.json()).error;
  } catch {
    // No JSON: the server is behind something that answers for it.
  }
  const message = error?.message ?? `the server answered ${response.status} ${response.statusText}`;
  return new ServerError(response.status, { ...error, kind: error?.kind ?? "status", message });
}

const unreachable = (error) => new ServerError(0, { message: `the server cannot be reached (${error.message})` });

/** Requests with the token that was entered. */
export class Server {
  #token = null;

  constructor() {
    try {
      this.#token = sessionStorage.getItem("diffplan-token");
    } catch {
      // Storage may be forbidden: the token then lasts as long as the page.
    }
  }

  set token(text) {
    this.#token = text;
    try {
      sessionStorage.setItem("diffplan-token", text);
    } catch {
      // As above.
    }
  }

  get hasToken() {
    return this.#token !== null;
  }

  async #fetch(method, path, body, extra = {}) {
    const headers = {};
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init = {
      method,
      headers,
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
      ...extra,
    };
    let response;
    try {
      response = await fetch(path, init);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable(error);
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** The answer's JSON, or `null` where it has no content. */
  async ask(method, path, body, extra) {
    const response = await this.#fetch(method, path, body, extra);
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  }

  /**
   * Reads a stream of events until it ends, and calls `on(name, data)` for each. `silence` ms without a byte count as a lost
   * connection.
   */
  async stream(method, path, { body, signal, on, opened = () => {}, silence = Infinity }) {
    const silent = new AbortController();
    const stop = () => silent.abort();
    signal?.addEventListener("abort", stop);
    let timer = null;
    const heard = () => {
      clearTimeout(timer);
      if (Number.isFinite(silence)) timer = setTimeout(stop, silence);
    };
    try {
      heard();
      const response = await this.#fetch(method, path, body, { signal: silent.signal });
      opened();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = eventParser(on);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        heard();
        parse(value);
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error.name === "AbortError") throw unreachable(new Error(`nothing came for ${silence / 1000} s`));
      throw error instanceof TypeError ? unreachable(error) : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** A parser of text/event-stream, fed with text in any pieces. Data are JSON. */
export function eventParser(on) {
  let rest = "";
  let name = "message";
  let data = [];
  return (text) => {
    rest += text;
    // A carriage return at the end may be half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const row of lines) {
      if (row === "") {
        if (data.length) on(name, JSON.parse(data.join("\n")));
        name = "message";
        data = [];
      } else if (row[0] !== ":") {
        const colon = row.indexOf(":");
        const field = colon < 0 ? row : row.slice(0, colon);
        const value = colon < 0 ? "" : row.slice(colon + 1).replace(/^ /, "");
        if (field === "event") name = value;
        else if (field === "data") data.push(value);
      }
    }
  };
}
