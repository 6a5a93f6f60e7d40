// The page: what the server has, an episode of it, its plans.

import { drawTimes, drawValues, sayTimes, sayValues } from "./charts.js";
import { bindTheme } from "./colours.js";
import { bounds, lazily, paced, say } from "./draw.js";
import { Episode } from "./episode.js";
import { Film } from "./film.js";
import { Goal } from "./goal.js";
import { History } from "./history.js";
import { Options } from "./options.js";
import { Panels, column } from "./panels.js";
import { drawPlane, shape } from "./plane.js";
import { Server, ServerError } from "./server.js";

const $ = (id) => document.getElementById(id);
/** Steps that the chart of values shows at the least and at the most. */
const SHOWN_STEPS = [60, 240];

const server = new Server();
const history = new History();
let model = null;
let options = null;
let episode = null;
let plane = null;
let paused = false;
let over = null;
let described = "";

bindTheme($("theme"));

// What is said aloud: events alone, never frames.
let saying = null;
const announce = (text) => {
  clearTimeout(saying);
  // Keys that repeat and sliders that move say the last of what they did.
  saying = setTimeout(() => ($("announcer").textContent = text), 250);
};

const show = (element, message) => {
  element.textContent = message ?? "";
  element.hidden = !message;
};
/** A message as a sentence; one that begins with an option's name keeps it as it is spelled. */
const capital = (text) => (/^[a-z]+ /.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

// ---- The drawings

const goal = new Goal(
  { canvas: $("plane"), handle: $("goal"), fields: $("goal-fields"), help: $("goal-help"), name: $("goal-name"), x: $("goal-x"), y: $("goal-y") },
  {
    send: (to) => change({ goal: to }, $("stage-error"), () => goal.refused(history.now?.goal)),
    moved: () => drawScene(),
    announce,
  },
);
const panels = new Panels($("plan-panels"), { more: $("plan-more"), changed: () => drawPanels() });
const film = new Film({
  film: $("film"), play: $("film-play"), scrubber: $("scrubber"), step: $("film-step"), caption: $("film-caption"), panels: $("film-panels"), more: $("film-more"), dimensions: $("film-dimensions"),
  plane: $("film-plane"), planeFigure: $("film-plane-figure"), values: $("film-values"), valuesFigure: $("film-values-figure"),
});

const drawScene = lazily(() => {
  if (!plane) return;
  const plan = history.plan;
  const past = history.frames.map((frame) => frame.position).filter(Boolean);
  drawPlane($("plane"), plane, {
    past, candidates: plan?.candidates, values: plan?.values, chosen: plan?.chosen, position: history.now?.position, goal: goal.at,
  });
  goal.place();
}, $("plane"));

/** Milliseconds of the environment's step; 0 where there is none. */
const realTime = () => (model?.dt ?? 0) * 1000;

const drawCharts = lazily(() => {
  const plans = history.plans;
  if (plans.length) {
    const to = Math.max(plans.at(-1).step, SHOWN_STEPS[0]);
    const from = Math.max(0, to - SHOWN_STEPS[1]);
    const shown = plans.filter((plan) => plan.step >= from);
    drawValues($("values-chart"), shown, { values: history.plan?.values, from, to });
  }
  drawTimes($("latency-chart"), history.times, history.deadline, realTime());
}, $("values-chart"), $("latency-chart"));

const planOf = (kind, index) => {
  const { plan, frames } = history;
  if (kind === "action") return plan?.actions ? { past: [], lines: [], values: [], chosen: column(plan.actions, index) } : null;
  const past = frames.filter((frame) => frame.observation).map((frame) => [frame.step - history.now.step, frame.observation[index]]);
  if (!plan) return { past, lines: [], values: [], chosen: null };
  return { past, lines: plan.candidates.map((path) => column(path, index)), values: plan.values, chosen: plan.chosen && column(plan.chosen, index) };
};
const drawPanels = lazily(() => !plane && panels.draw(planOf, { age: history.age, reach: model?.horizon ?? 0 }), $("plan-panels"));

/** Words beside the drawings: at reading speed, not at that of frames. */
const describe = paced(700, () => {
  const { now, plan, times, deadline } = history;
  if (!now) return;
  const values = sayValues(plan?.values);
  const where = now.position ? ` Position x ${say(now.position[0], 3)}, y ${say(now.position[1], 3)}.` : "";
  const ended = over ? ` Ended: ${over.why}.` : "";
  const state = now.state_text ? ` ${now.state_text}` : "";
  const none = $("scene").hidden ? " This environment draws no picture of itself." : "";
  const scene = `${model.environment}, step ${now.step}.${where}${state}${ended}${none}`;
  if (scene !== described) {
    described = scene;
    $("stage-caption").textContent = scene;
    $("picture").alt = `Picture of ${model.environment} at step ${now.step}${plan ? ", with poses of its plan" : ""}`;
  }
  $("values-caption").textContent = plan ? values : "No plan yet.";
  $("latency-caption").textContent = sayTimes(times, deadline, realTime());
  const range = bounds(plan?.values ?? []);
  $("stage-legend").hidden = !range || !plane;
  if (range) {
    $("stage-legend").querySelector(".low").textContent = say(range[0], 3);
    $("stage-legend").querySelector(".high").textContent = say(range[1], 3);
  }
  if (!plane) panels.describe(planOf);
});

function drawAll() {
  drawScene();
  drawCharts();
  drawPanels();
  describe();
}

// ---- The episode

function onFrame(frame) {
  show($("stage-error"), null);
  over = null;
  history.add(frame);
  if (frame.image) {
    $("picture").src = frame.image;
    $("picture").hidden = false;
  }
  $("scene").hidden = !plane && $("picture").hidden;
  goal.told(frame.goal);
  if (frame.options && (frame.values || frame.candidates || history.plan === null)) options.inForce(frame.options);
  $("now-step").textContent = String(frame.step);
  $("now-reward").textContent = say(frame.reward, 3);
  $("now-return").textContent = say(frame.return, 4);
  $("now-value").textContent = say(history.plan?.values.length ? frame.value ?? history.plans.at(-1)?.value : null, 4);
  const action = (frame.action ?? []).slice(0, 3).map((x) => say(x, 2)).join(", ");
  $("now-action").textContent = action + ((frame.action?.length ?? 0) > 3 ? ", …" : "") || "–";
  $("now-action").title = (frame.action ?? []).map((x) => say(x, 4)).join(", ");
  $("denoise").disabled = denoising || !frame.observation;
  if (document.activeElement !== $("seed") && Number.isFinite(frame.seed)) $("seed").value = String(frame.seed);
  offer();
  drawAll();
}

function onEnd({ why, steps, return: sum }) {
  over = { why: why ?? "over" };
  announce(`The episode ended after ${steps} steps with a return of ${say(sum, 4)}: ${over.why}.`);
  offer();
  describe();
}

/** What an opened or changed episode is said to be. */
function onHolds(info) {
  if (typeof info.paused === "boolean") paused = info.paused;
  if (info.goal) goal.told(info.goal);
  if (info.deadline_ms !== undefined) history.deadline = info.deadline_ms;
  const speed = [...$("speed").options].find((option) => Number(option.value) === info.speed);
  if (speed && document.activeElement !== $("speed")) $("speed").value = speed.value;
  offer();
}

function onOpened(info) {
  history.clear();
  over = null;
  plane = info.plane ?? null;
  goal.plane = plane;
  $("plane").hidden = !plane;
  $("picture").hidden = true;
  if (plane) shape($("plane"), plane.extent);
  $("plan").hidden = Boolean(plane);
  $("main").toggleAttribute("data-plane", Boolean(plane));
  const dimensions = model.dimensions ?? {};
  const named = (names, count, kind) => Array.from({ length: count }, (_, i) => ({ name: names?.[i] ?? `${kind} ${i}`, kind }));
  panels.name([...named(dimensions.observation, model.observation_dim, "observation"), ...named(dimensions.action, model.action_dim, "action")]);
  film.configure({ plane, names: named(dimensions.observation, model.observation_dim, "observation").map(({ name }) => name) });
  onHolds(info);
}

/** Which buttons do something. */
function offer() {
  const play = $("play");
  play.dataset.icon = paused || over ? "play" : "pause";
  play.querySelector(".word").textContent = over ? "Again" : paused ? "Play" : "Pause";
  $("step").disabled = !paused || over !== null;
}

/** Asks for a change of the episode; errors go to `where`. Returns whether it was made. */
async function change(what, where, refused = () => {}) {
  try {
    await episode.change(what);
    show(where, null);
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.status === 401) askToken(error);
    else if (!(what.options && options.refuse(error))) show(where, capital(error.message));
    refused(error);
    return false;
  }
}

async function attempt(act) {
  try {
    await act();
    show($("stage-error"), null);
  } catch (error) {
    show($("stage-error"), capital(error.message));
  }
}

const seed = () => Math.max(0, Math.floor($("seed").valueAsNumber || 0));

$("play").addEventListener("click", async () => {
  if (over) {
    await reset(seed());
    if (paused && (await change({ paused: false }, $("stage-error")))) announce("Playing.");
    return;
  }
  if (await change({ paused: !paused }, $("stage-error"))) announce(paused ? `Paused at step ${history.now?.step ?? 0}.` : "Playing.");
});
$("step").addEventListener("click", () => attempt(() => episode.step()));
$("reset").addEventListener("click", () => reset(seed()));
// Enter in a field is no reason to load the page anew.
$("options").addEventListener("submit", (event) => event.preventDefault());
$("seed").addEventListener("keydown", (event) => event.key === "Enter" && reset(seed()));
$("speed").addEventListener("change", () => change({ speed: Number($("speed").value) }, $("stage-error")));

async function reset(to) {
  await attempt(async () => {
    await episode.reset(to);
    announce(`Reset with seed ${to}.`);
  });
}

// ---- A plan out of noise

let denoising = false;

$("denoise-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [button, error] = [$("denoise"), $("denoise-error")];
  const fields = [...$("observation").querySelectorAll("input")];
  const observation = fields.length ? fields.map((field) => field.valueAsNumber || 0) : history.now?.observation;
  if (!observation) return;
  const body = { observation, seed: Math.max(0, Math.floor($("denoise-seed").valueAsNumber || 0)), of: $("denoise-of").value, options: options.changedOfPlans };
  if (goal.at) body.goal = goal.at;
  show(error, null);
  denoising = button.disabled = true;
  $("denoise-empty").hidden = true;
  $("denoising-where").textContent = episode ? `of step ${history.now.step}` : "";
  try {
    const made = await film.run(server, body, episode ? history.now.position : null);
    if (made) announce(`A plan was denoised in ${made.steps} steps${Number.isFinite(made.value) ? `, value ${say(made.value)}` : ""}.`);
  } catch (failure) {
    if (failure.status === 401) askToken(failure);
    else if (!options.refuse(failure)) show(error, capital(failure.message));
    else show(error, "An option was refused: see above.");
  } finally {
    denoising = button.disabled = false;
  }
});

/** Without an environment an observation is typed. */
function askObservation() {
  const names = model.dimensions?.observation ?? [];
  for (let i = 0; i < model.observation_dim; i++) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "number", step: "any", value: "0" });
    label.append(`${names[i] ?? `observation ${i}`} `, input);
    $("observation").append(label);
  }
  $("observation").hidden = false;
  $("denoise").textContent = "Denoise";
}

// ---- The token

let entered = null;

/** Opens the dialog; resolves when a token was entered. */
function askToken(error) {
  if (!entered) {
    let done;
    const promise = new Promise((resolve) => (done = resolve));
    entered = { promise, done };
    show($("token-error"), server.hasToken ? capital(error.message) : null);
    $("token").value = "";
    $("token-dialog").showModal();
  }
  return entered.promise;
}
$("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
$("token-form").addEventListener("submit", () => {
  server.token = $("token").value.trim();
  const { done } = entered;
  entered = null;
  done();
});

// ---- The connection

/** Whether it was lost since it last stood. */
let broken = false;

function connection(to, text) {
  if (to === "lost" && !broken) announce("The connection to the server is lost. Trying again.");
  if (to === "live" && broken) announce("Connected again.");
  broken = to === "lost" || (broken && to !== "live");
  $("connection").dataset.state = to;
  $("connection-text").textContent = text;
}

function lost(error, seconds) {
  // What the server answers belongs into words; that it does not answer is the connection's state.
  show($("alert"), error.status === 0 ? null : capital(error.message));
  // A checkpoint that plans to goals, in an environment that has none: it is to be typed.
  if (error.kind === "goal" && !goal.at) goal.told([0, 0]);
  connection(error.status === 0 ? "lost" : "wait", error.status === 0 ? `Connection lost, trying again in ${say(seconds)} s` : `Trying again in ${say(seconds)} s`);
}

async function fetchModel() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      return await server.ask("GET", "/v1/model");
    } catch (error) {
      if (error.status === 401) {
        await askToken(error);
        wait = 250;
        continue;
      }
      lost(error, wait / 1000);
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

async function live() {
  const again = broken;
  show($("alert"), null);
  connection("live", "Connected");
  if (!again) return;
  // Another server may have come up in its place.
  const now = await fetchModel();
  if (now.checkpoint !== model.checkpoint || now.environment !== model.environment) location.reload();
}

// ---- All of it

async function begin() {
  model = await fetchModel();
  const name = String(model.checkpoint ?? "").split(/[\\/]/).filter(Boolean).at(-1) ?? "";
  const subject = $("subject");
  subject.replaceChildren(Object.assign(document.createElement("b"), { textContent: model.environment ?? name }));
  subject.append(` · ${model.environment ? `${name} · ` : ""}horizon ${model.horizon}`);
  subject.title = model.checkpoint ?? "";
  document.title = `${model.environment ?? name} · diffplan`;
  history.deadline = model.deadline_ms ?? model.limits?.deadline_ms ?? null;
  options = new Options({ main: $("options-main"), rest: $("options-rest"), more: $("options-more"), defaults: $("defaults") }, model, async (changed) =>
    episode ? change({ options: changed }, $("stage-error")) : false,
  );
  $("main").dataset.view = model.environment ? "episode" : "model";
  if (!model.environment) {
    film.configure({ plane: null, names: Array.from({ length: model.observation_dim }, (_, i) => model.dimensions?.observation?.[i] ?? `observation ${i}`) });
    askObservation();
    connection("live", "Connected");
    return;
  }
  episode = new Episode(server, {
    opened: onOpened,
    holds: onHolds,
    frame: onFrame,
    end: onEnd,
    live,
    lost,
    denied: askToken,
    error: (error) => {
      const refused = { status: 422, option: null, ...error };
      if (!options.refuse(refused)) show($("stage-error"), capital(error.message));
      paused = true;
      offer();
    },
  });
  window.addEventListener("pagehide", () => episode.close());
  // Come back to from another page, as it was kept by the browser: its episode is over.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  await episode.run({ seed: seed(), options: options.changed, paused: false, speed: Number($("speed").value) });
}

begin();
