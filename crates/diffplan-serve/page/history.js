// What an episode's frames told, as far back as is drawn.

const FRAMES = 400;
const PLANS = 300;

export class History {
  /** Forgets everything but times of plans: they say how fast the planner is, whichever episode it was. */
  clear() {
    /** What came true: `{step, observation, position}`. */
    this.frames = [];
    /** What plans were valued at: `{step, value, sorted}`, the values in rising order. */
    this.plans = [];
    /** The newest plan: `{step, values, candidates, chosen, actions}`. */
    this.plan = null;
    /** The newest frame as it came. */
    this.now = null;
  }

  constructor() {
    /** Milliseconds of the last plans. */
    this.times = [];
    this.clear();
  }

  /** How many steps ago the newest plan was made. */
  get age() {
    return this.plan === null ? 0 : this.now.step - this.plan.step;
  }

  add(frame) {
    // A reset that someone else asked for.
    if (this.now !== null && (frame.step < this.now.step || frame.seed !== this.now.seed)) this.clear();
    // After a reconnection the last frame comes again; and the last of an episode has the step of the one before it, and where that led.
    const again = this.now !== null && frame.step === this.now.step;
    this.now = frame;
    if (again) this.frames.pop();
    this.frames.push({ step: frame.step, observation: frame.observation ?? null, position: frame.position ?? null });
    this.frames.splice(0, this.frames.length - FRAMES);
    if (frame.candidates?.length || frame.plan?.length) {
      const values = frame.values ?? [];
      this.plan = {
        step: frame.step,
        values,
        candidates: frame.candidates ?? [],
        chosen: frame.plan ?? null,
        actions: frame.plan_actions ?? null,
      };
      if (again) return;
      if (values.length) {
        const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
        if (sorted.length) this.plans.push({ step: frame.step, value: frame.value ?? sorted.at(-1), sorted });
        this.plans.splice(0, this.plans.length - PLANS);
      }
      if (Number.isFinite(frame.latency_ms)) {
        this.times.push(frame.latency_ms);
        this.times.splice(0, this.times.length - PLANS);
      }
    }
  }
}
