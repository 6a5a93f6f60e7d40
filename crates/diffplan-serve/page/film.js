// A plan's denoising: gathered as it happens, gone through by a scrubber.

import { drawValues, sayValues } from "./charts.js";
import { bounds, lazily, quantile, widened } from "./draw.js";
import { Panels, column } from "./panels.js";
import { drawPlane, shape } from "./plane.js";
import { ServerError } from "./server.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
/** Milliseconds that playing all steps takes at the most, and one of them. */
const LONGEST = 6000;
const SLOWEST = 160;

export class Film {
  #parts;
  #panels;
  #steps = [];
  #plan = null;
  #at = 0;
  #of = 0;
  /** Whether the newest step is shown as it comes. */
  #following = true;
  #timer = null;
  #plane = null;
  /** The least and greatest of every dimension. */
  #ranges = [];
  #goal = null;
  #position = null;
  #request;
  #calls = 0;

  constructor(parts) {
    this.#parts = parts;
    this.#panels = new Panels(parts.panels, { more: parts.more, changed: () => this.#request() });
    this.#request = lazily(() => this.#draw(), parts.plane, parts.values, parts.panels);
    parts.scrubber.addEventListener("input", () => {
      this.#pause();
      this.#following = false;
      this.#go(parts.scrubber.valueAsNumber);
    });
    parts.play.addEventListener("click", () => (this.#timer === null ? this.#play() : this.#pause()));
    this.#pause();
  }

  /** What plans are of: a plane, or the dimensions of an observation. */
  configure({ plane, dimensions }) {
    this.#plane = plane;
    this.#parts.planeFigure.hidden = !plane;
    this.#parts.dimensions.hidden = Boolean(plane);
    if (plane) shape(this.#parts.plane, plane.extent);
    else this.#panels.name(dimensions);
  }

  /** Makes a plan and gathers its steps; returns what came, or throws what the server says. `position` is where it begins in the plane. */
  async run(server, body, position) {
    const call = ++this.#calls;
    this.#pause();
    this.#steps = [];
    this.#plan = null;
    this.#following = true;
    this.#at = 0;
    this.#goal = body.goal ?? null;
    this.#position = position;
    this.#ranges = [];
    let failure = null;
    await server.stream("POST", "/v1/plan/stream", {
      body,
      silence: 60_000,
      on: (name, data) => {
        if (call !== this.#calls) return;
        if (name === "step") this.#step(data);
        else if (name === "plan") this.#finish(data);
        else if (name === "error") failure = data.error ?? data;
      },
    });
    if (call !== this.#calls) return null;
    if (failure) throw new ServerError(200, failure);
    if (!this.#plan) throw new ServerError(0, { message: "the connection ended before the plan was made" });
    if (this.#following && this.#steps.length) this.#go(this.#steps.length - 1);
    return { steps: this.#of, tookMs: this.#plan.took_ms, value: this.#plan.value };
  }

  /** The last step is what is planned: with what is imposed, and valued where that is done at the end alone. */
  #finish(plan) {
    this.#plan = plan;
    const last = this.#steps.at(-1);
    if (plan.paths && last?.done === last?.of)
      this.#steps[this.#steps.length - 1] = ranked({ ...last, candidates: plan.paths, values: plan.values });
  }

  #step(data) {
    this.#steps.push(ranked(data));
    if (!this.#plane) this.#reach(data.candidates ?? []);
    this.#of = data.of;
    this.#parts.film.hidden = false;
    this.#parts.scrubber.max = String(Math.max(this.#steps.length - 1, 0));
    // With reduced motion only the finished plan is shown, and steps when they are asked for.
    if (this.#following && !calm.matches) this.#go(this.#steps.length - 1);
  }

  /** Every dimension's range over all steps there are: what goes to and fro is compared with one measure. */
  #reach(candidates) {
    for (const path of candidates) {
      for (const row of path) {
        row.forEach((x, i) => {
          const range = (this.#ranges[i] ??= [x, x]);
          if (x < range[0]) range[0] = x;
          if (x > range[1]) range[1] = x;
        });
      }
    }
  }

  #go(index) {
    const { scrubber, step, caption } = this.#parts;
    this.#at = Math.min(Math.max(index, 0), this.#steps.length - 1);
    const now = this.#steps[this.#at];
    scrubber.value = String(this.#at);
    const text = now.done === 0 ? `noise, before step 1 of ${now.of}` : `step ${now.done} of ${now.of}`;
    scrubber.setAttribute("aria-valuetext", text);
    step.textContent = text;
    const visited = now.done === 0 || now.timestep == null ? "" : `Timestep ${now.timestep} visited. `;
    caption.textContent = `${visited}${sayValues(now.values)}`;
    this.#request();
  }

  #play() {
    if (this.#steps.length < 2) return;
    this.#following = false;
    if (this.#at >= this.#steps.length - 1) this.#go(0);
    const gap = Math.min(SLOWEST, LONGEST / this.#steps.length);
    this.#label("pause", "Pause");
    this.#timer = setInterval(() => {
      if (this.#at >= this.#steps.length - 1) this.#pause();
      else this.#go(this.#at + 1);
    }, gap);
  }

  #pause() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#label("play", "Play");
  }

  #label(icon, word) {
    this.#parts.play.dataset.icon = icon;
    this.#parts.play.querySelector(".word").textContent = word;
  }

  #draw() {
    const now = this.#steps[this.#at];
    if (!now) return;
    const candidates = now.candidates ?? [];
    const values = now.values ?? [];
    // The best as of this step; without values the one that is done, which comes first in the end.
    const best = now.sorted.length
      ? values.indexOf(now.sorted.at(-1))
      : this.#plan && now === this.#steps.at(-1)
        ? 0
        : -1;
    const chosen = candidates[best] ?? null;
    if (this.#plane) {
      drawPlane(this.#parts.plane, this.#plane, {
        candidates,
        values,
        chosen,
        goal: this.#goal,
        position: this.#position,
      });
    } else {
      const of = (kind, index) => ({
        past: [],
        lines: candidates.map((path) => column(path, index)),
        values,
        chosen: chosen && column(chosen, index),
        range: this.#ranges[index],
      });
      this.#panels.draw(of);
      if (this.#plan) this.#panels.describe(of);
    }
    const shown = this.#steps.filter((step) => step.sorted.length);
    this.#parts.values.hidden = shown.length === 0;
    if (!shown.length) return;
    const series = shown.map((step) => ({ step: step.done, value: step.sorted.at(-1), sorted: step.sorted }));
    // The far ends of the noisiest steps would press everything else together.
    const range = widened(bounds(series.flatMap(({ sorted }) => [quantile(sorted, 0.05), sorted.at(-1)])), 0.06);
    drawValues(this.#parts.values, series, { values, from: 0, to: now.of, mark: now.done, range });
  }
}

/** A step with its values in rising order beside. */
const ranked = (step) => ({ ...step, sorted: (step.values ?? []).filter(Number.isFinite).sort((a, b) => a - b) });
