// Controls for the planning options, made of the server's table of them.

import { say } from "./draw.js";

/** What stands open, in this order, and what it is called here; all others are under their own names. */
const MAIN = new Map([
  ["batch_size", "Candidates"],
  ["num_inference_steps", "Denoising steps"],
  ["n_guide_steps", "Guide steps"],
  ["scale", "Guide scale"],
  ["scheduler", "Sampler"],
]);
const COUNTS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/** Whether the server's value is what a control says: it computes in 32 bits, and a choice may be a name or a number. */
export function same(a, b) {
  if (typeof a === "number" && typeof b === "number")
    return Math.abs(a - b) <= 1e-5 * Math.max(Math.abs(a), Math.abs(b), 1e-6);
  return (a ?? null) === (b ?? null);
}

/**
 * What the slider of an option has: the values of its positions, `null` the one where the option is not set. `null` where it is no
 * option for a slider.
 */
export function positions(spec, model) {
  const set = typeof spec.default === "number" ? spec.default : null;
  const up = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  switch (spec.name) {
    case "batch_size": {
      const most = Math.min(
        spec.max ?? Infinity,
        model.limits?.batch_size ?? model.limits?.candidates ?? Infinity,
        Math.max(128, set ?? 0),
      );
      const found = COUNTS.filter((count) => count <= most);
      return [...new Set([...found, ...(set ? [set] : [])])].sort((a, b) => a - b);
    }
    case "num_inference_steps": {
      const all = model.num_train_timesteps ?? 100;
      const counts =
        all <= 100
          ? up(1, all - 1)
          : [
              1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 32, 40, 50, 64, 80, 100, 150, 200, 300, 400, 500, 700, 900,
            ].filter((x) => x < all);
      return [...counts, null];
    }
    case "n_guide_steps":
      return up(0, Math.max(6, 2 * (set ?? 2)));
    case "scale": {
      const most = Number((4 * Math.abs(set || 0.1)).toPrecision(2));
      return Array.from({ length: 81 }, (_, i) => Number(((i * most) / 80).toPrecision(4)));
    }
    default:
      return null;
  }
}

class Control {
  constructor(spec, model, changed) {
    this.spec = spec;
    this.pending = false;
    this.refused = null;
    const id = `option-${spec.name}`;
    this.element = make("div", { className: "control" });
    const head = make("div", { className: "control-head" });
    const label = make("label", { htmlFor: id });
    const title = MAIN.get(spec.name) ?? capital(spec.name.replaceAll("_", " "));
    label.append(title, make("code", { textContent: spec.name }));
    const notes = make("div", { className: "notes" });
    this.help = make("p", { className: "help", id: `${id}-help`, textContent: `${spec.help}.` });
    this.error = make("p", { className: "error", id: `${id}-error`, hidden: true });
    this.error.setAttribute("role", "alert");
    const later = make("p", { className: "pending", textContent: "From the next plan on." });
    notes.append(this.help, later);

    const choices = spec.name === "scheduler" && model.schedulers?.length ? model.schedulers : spec.choices;
    if (spec.kind === "flag") {
      this.input = make("input", { type: "checkbox" });
    } else if (choices) {
      this.input = make("select");
      if (spec.default === null || spec.name === "scheduler")
        this.input.append(new Option(spec.name === "scheduler" ? "the checkpoint's" : "not set", ""));
      for (const name of choices) this.input.append(new Option(name, name));
    } else if (spec.kind === "text") {
      this.input = make("input", { type: "text", placeholder: "not set" });
    } else {
      this.input = make("input", {
        type: "number",
        step: spec.kind === "integer" ? "1" : "any",
        placeholder: spec.name === "num_inference_steps" ? "all" : "not set",
      });
      this.input.inputMode = spec.kind === "integer" ? "numeric" : "decimal";
      if (spec.min !== null && spec.min > -1e30) this.input.min = spec.min;
      if (spec.max !== null && spec.max < 1e30) this.input.max = spec.max;
    }
    this.input.id = id;
    this.input.setAttribute("aria-describedby", `${id}-help ${id}-error`);
    head.append(label, this.input);
    this.element.append(head);

    this.stops = this.input.type === "number" ? positions(spec, model) : null;
    if (this.stops) {
      this.slider = make("input", {
        type: "range",
        min: "0",
        max: String(this.stops.length - 1),
        step: "1",
        id: `${id}-slider`,
      });
      this.slider.setAttribute("aria-label", title);
      this.slider.setAttribute("aria-describedby", `${id}-help`);
      this.slider.addEventListener("input", () => {
        this.#show(this.stops[this.slider.valueAsNumber]);
        changed(this);
      });
      this.element.append(this.slider);
    }
    this.input.addEventListener(this.input.type === "number" ? "input" : "change", () => {
      this.#slide(this.value);
      changed(this);
    });
    this.input.addEventListener(
      "blur",
      () =>
        this.input.type === "number" &&
        this.input.value === "" &&
        this.spec.default !== null &&
        this.set(this.spec.default),
    );
    this.element.append(notes, this.error);
    this.set(spec.default);
  }

  /** What it says; `undefined` while it says nothing that could be sent, as in the middle of typing. */
  get value() {
    const { input, spec } = this;
    if (spec.kind === "flag") return input.checked;
    if (input.type === "number") {
      if (input.value !== "") return input.valueAsNumber;
      return input.validity.badInput || spec.default !== null ? undefined : null;
    }
    return input.value === "" ? null : input.value;
  }

  set(value) {
    this.#show(value);
    this.#slide(value);
  }

  #show(value) {
    if (this.spec.kind === "flag") this.input.checked = value === true;
    else if (typeof value === "number") this.input.value = String(Number(value.toPrecision(6)));
    else this.input.value = value ?? "";
    this.#speak(value);
  }

  #slide(value) {
    if (!this.slider || value === undefined) return;
    const far = (stop) => (value === null || stop === null ? (stop === value ? 0 : Infinity) : Math.abs(stop - value));
    const nearest = this.stops.reduce(
      (best, stop, i) => (far(stop) < far(this.stops[best]) ? i : best),
      value === null ? this.stops.length - 1 : 0,
    );
    this.slider.value = String(nearest);
    this.#speak(value);
  }

  #speak(value) {
    this.slider?.setAttribute("aria-valuetext", value === null ? "all" : say(value).replace("−", "-"));
  }

  wait(pending) {
    this.pending = pending;
    this.element.toggleAttribute("data-pending", pending);
  }

  refuse(message) {
    /** What was said against it; `null` where nothing was. */
    this.refused = message;
    this.error.textContent = message ?? "";
    this.error.hidden = !message;
    if (message) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

/** All controls. `send(changed)` is given what was changed, by name, and returns a promise. */
export class Options {
  #controls = new Map();
  #send;
  #queue = {};
  #timer = null;
  #defaults;
  #more;

  constructor({ main, rest, more, defaults }, model, send) {
    this.#send = send;
    this.#defaults = defaults;
    this.#more = more;
    main.replaceChildren();
    rest.replaceChildren();
    // What is done of plans one after another means nothing where no episode is played.
    const offered = model.options.filter((spec) => model.environment || !spec.acting);
    const known = new Map(offered.map((spec) => [spec.name, spec]));
    const add = (spec, where) => {
      const control = new Control(spec, model, (it) => this.#changed(it));
      this.#controls.set(spec.name, control);
      where.append(control.element);
    };
    for (const name of MAIN.keys()) if (known.has(name)) add(known.get(name), main);
    for (const spec of offered) if (!MAIN.has(spec.name)) add(spec, rest);
    more.hidden = rest.childElementCount === 0;
    defaults.onclick = () => {
      for (const control of this.#controls.values()) {
        if (same(control.value, control.spec.default)) continue;
        control.set(control.spec.default);
        this.#changed(control);
      }
    };
    this.#offer();
  }

  /** What differs from the checkpoint's own settings, by name: for a new episode. */
  get changed() {
    const found = {};
    for (const [name, { value, spec }] of this.#controls)
      if (value !== undefined && !same(value, spec.default)) found[name] = value;
    return found;
  }

  /** The same for a plan alone. */
  get changedOfPlans() {
    return Object.fromEntries(Object.entries(this.changed).filter(([name]) => !this.#controls.get(name).spec.acting));
  }

  /** What is in force, of a frame: a control that waited for it no longer does, others follow unless they are in use. */
  inForce(options) {
    for (const [name, control] of this.#controls) {
      if (!(name in options)) continue;
      const equal = same(control.value, options[name]);
      if (control.pending && equal) control.wait(false);
      else if (
        !control.pending &&
        !equal &&
        !control.element.contains(document.activeElement) &&
        !(name in this.#queue)
      )
        control.set(options[name]);
    }
    this.#offer();
  }

  /** Puts an error where it belongs; `false` if that is at none of the controls. */
  refuse(error) {
    const control = this.#controls.get(error.option);
    if (!control) return false;
    control.refuse(error.message);
    control.wait(false);
    if (this.#more.contains(control.element)) this.#more.open = true;
    return true;
  }

  #changed(control) {
    this.#offer();
    const { value } = control;
    if (value === undefined) return;
    control.refuse(null);
    this.#queue[control.spec.name] = value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), 140);
  }

  async #flush() {
    const changed = this.#queue;
    this.#queue = {};
    for (const name of Object.keys(changed)) this.#controls.get(name).wait(true);
    const taken = await this.#send(changed);
    // Where no episode runs there is no next plan to wait for; where it was refused, none that would have it.
    if (!taken) for (const name of Object.keys(changed)) this.#controls.get(name).wait(false);
    if (taken) this.#retry();
  }

  /** What was refused may have been so because of what is changed now: it is asked for again, one after another. */
  async #retry() {
    for (const [name, control] of this.#controls) {
      if (!control.refused || control.value === undefined || name in this.#queue) continue;
      const message = control.refused;
      control.refuse(null);
      control.wait(true);
      if (!(await this.#send({ [name]: control.value }))) control.refuse(control.refused ?? message);
    }
  }

  #offer() {
    this.#defaults.disabled = Object.keys(this.changed).length === 0;
  }
}

function make(tag, given = {}) {
  return Object.assign(document.createElement(tag), given);
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
