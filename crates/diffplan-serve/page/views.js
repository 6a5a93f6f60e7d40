// What is drawn of an episode, and said beside it.

import { drawTimes, drawValues, sayTimes, sayValues } from "./charts.js";
import { bounds, lazily, paced, say } from "./draw.js";
import { Panels, column } from "./panels.js";
import { drawPlane, shape } from "./plane.js";
import { $ } from "./words.js";

/** Steps that the chart of values shows at the least and at the most. */
const LEAST_STEPS = 60;
const MOST_STEPS = 240;
/** Milliseconds between words that change: reading speed, not that of frames. */
const READING = 700;

export class Views {
  #history;
  #model = null;
  #plane = null;
  #goal = null;
  #over = null;
  #panels = new Panels($("plan-panels"), { more: $("plan-more"), changed: () => this.#drawPanels() });

  constructor(history) {
    this.#history = history;
    $("deadline").addEventListener("input", () => {
      this.#drawCharts();
      this.#describe();
    });
  }

  /** Another episode: of `model`, in `plane` or in none, to a `goal` (goal.js). */
  open(model, plane, goal) {
    this.#model = model;
    this.#plane = plane;
    this.#goal = goal;
    $("plane").hidden = !plane;
    $("picture").hidden = true;
    $("plan").hidden = Boolean(plane);
    $("main").toggleAttribute("data-plane", Boolean(plane));
    if (plane) shape($("plane"), plane.extent);
    this.#panels.name([...named(model, "observation"), ...named(model, "action")]);
  }

  /** The picture that the server drew, where it draws one. */
  picture(image) {
    if (image) {
      $("picture").src = image;
      $("picture").hidden = false;
    }
    $("scene").hidden = !this.#plane && $("picture").hidden;
  }

  /** Why the episode is over; `null` where it is not. */
  set over(why) {
    this.#over = why;
    this.#describe();
  }

  /** Everything, once before the next screen refresh. */
  draw() {
    this.drawScene();
    this.#drawCharts();
    this.#drawPanels();
    this.#describe();
  }

  drawScene = lazily(() => {
    if (!this.#plane) return;
    const { plan, frames, now } = this.#history;
    drawPlane($("plane"), this.#plane, {
      past: frames.map((frame) => frame.position).filter(Boolean),
      candidates: plan?.candidates,
      values: plan?.values,
      chosen: plan?.chosen,
      position: now?.position,
      goal: this.#goal.at,
    });
    this.#goal.place();
  }, $("plane"));

  /** Milliseconds that a plan may take, as typed; 0 where it may take any. */
  get #deadline() {
    return Math.max(0, $("deadline").valueAsNumber || 0);
  }

  /** Milliseconds of the environment's step; 0 where there is none. */
  get #realTime() {
    return (this.#model?.dt ?? 0) * 1000;
  }

  #drawCharts = lazily(
    () => {
      const { plans, plan, times } = this.#history;
      if (plans.length) {
        const to = Math.max(plans.at(-1).step, LEAST_STEPS);
        const from = Math.max(0, to - MOST_STEPS);
        const shown = plans.filter((one) => one.step >= from);
        drawValues($("values-chart"), shown, { values: plan?.values, from, to });
      }
      drawTimes($("latency-chart"), times, this.#deadline, this.#realTime);
    },
    $("values-chart"),
    $("latency-chart"),
  );

  #planOf = (kind, index) => {
    const { plan, frames, now } = this.#history;
    if (kind === "action") {
      return plan?.actions ? { past: [], lines: [], values: [], chosen: column(plan.actions, index) } : null;
    }
    const seen = frames.filter((frame) => frame.observation);
    const past = seen.map((frame) => [frame.step - now.step, frame.observation[index]]);
    if (!plan) return { past, lines: [], values: [], chosen: null };
    const lines = plan.candidates.map((path) => column(path, index));
    return { past, lines, values: plan.values, chosen: plan.chosen && column(plan.chosen, index) };
  };

  #drawPanels = lazily(() => {
    if (!this.#plane) this.#panels.draw(this.#planOf, { age: this.#history.age, reach: this.#model?.horizon ?? 0 });
  }, $("plan-panels"));

  #describe = paced(READING, () => {
    const { now, plan, times } = this.#history;
    if (!now) return;
    const { environment } = this.#model;
    const parts = [`${environment}, step ${now.step}.`];
    if (now.position) parts.push(`Position x ${say(now.position[0], 3)}, y ${say(now.position[1], 3)}.`);
    if (this.#over) parts.push(`Ended: ${this.#over}.`);
    if ($("scene").hidden) parts.push("This environment draws no picture of itself.");
    $("stage-caption").textContent = parts.join(" ");
    $("picture").alt = `Picture of ${environment} at step ${now.step}${plan ? ", with poses of its plan" : ""}`;
    $("values-caption").textContent = plan ? sayValues(plan.values) : "No plan yet.";
    $("latency-caption").textContent = sayTimes(times, this.#deadline, this.#realTime);
    const range = bounds(plan?.values ?? []);
    $("stage-legend").hidden = !range || !this.#plane;
    if (range) {
      $("stage-legend").querySelector(".low").textContent = say(range[0], 3);
      $("stage-legend").querySelector(".high").textContent = say(range[1], 3);
    }
    if (!this.#plane) this.#panels.describe(this.#planOf);
  });
}

/** The dimensions of a model's observations or actions: `[{name, kind}]`. */
export function named(model, kind) {
  const names = model.dimensions?.[kind];
  return Array.from({ length: model[`${kind}_dim`] }, (_, i) => ({ name: names?.[i] ?? `${kind} ${i}`, kind }));
}
