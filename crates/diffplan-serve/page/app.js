// The page: what the server has, an episode of it, its plans.

import { bindTheme } from "./colours.js";
import { say } from "./draw.js";
import { Episode } from "./episode.js";
import { Film } from "./film.js";
import { Goal } from "./goal.js";
import { History } from "./history.js";
import { Options } from "./options.js";
import { Server, ServerError } from "./server.js";
import { Token } from "./token.js";
import { Views, named } from "./views.js";
import { $, announce, sentence, show } from "./words.js";

bindTheme($("theme"));

const server = new Server();
const token = new Token(server);
const history = new History();
const views = new Views(history);
const goal = new Goal(
  {
    canvas: $("plane"),
    handle: $("goal"),
    fields: $("goal-fields"),
    help: $("goal-help"),
    name: $("goal-name"),
    x: $("goal-x"),
    y: $("goal-y"),
  },
  {
    send: (to) => change({ goal: to }, () => goal.refused(history.now?.goal)),
    moved: () => views.drawScene(),
    announce,
  },
);
const film = new Film({
  film: $("film"),
  play: $("film-play"),
  scrubber: $("scrubber"),
  step: $("film-step"),
  caption: $("film-caption"),
  dimensions: $("film-dimensions"),
  panels: $("film-panels"),
  more: $("film-more"),
  plane: $("film-plane"),
  planeFigure: $("film-plane-figure"),
  values: $("film-values"),
});

let model = null;
let options = null;
let episode = null;
let paused = false;
let over = false;

// ---- The episode

function onFrame(frame) {
  show($("stage-error"), null);
  over = false;
  views.over = null;
  history.add(frame);
  views.picture(frame.image);
  goal.told(frame.goal);
  if (frame.options && (frame.candidates || history.plan === null)) options.inForce(frame.options);
  $("now-step").textContent = String(frame.step);
  $("now-reward").textContent = say(frame.reward, 3);
  $("now-return").textContent = say(frame.return, 4);
  $("now-value").textContent = say(history.plan?.values.length ? history.plans.at(-1)?.value : null, 4);
  const action = frame.action ?? [];
  const few = action.slice(0, 3).map((x) => say(x, 2));
  $("now-action").textContent = (action.length > 3 ? [...few, "…"] : few).join(", ") || "–";
  $("now-action").title = action.map((x) => say(x, 4)).join(", ");
  $("denoise").disabled = denoising || !frame.observation;
  if (document.activeElement !== $("seed") && Number.isFinite(frame.seed)) $("seed").value = String(frame.seed);
  offer();
  views.draw();
}

function onEnd({ why, steps, return: sum }) {
  over = true;
  views.over = why;
  announce(`The episode ended after ${steps} steps with a return of ${say(sum, 4)}: ${why}.`);
  offer();
}

/** What an opened or changed episode is said to be. */
function onHolds(info) {
  if (typeof info.paused === "boolean") paused = info.paused;
  if (info.goal) goal.told(info.goal);
  const speed = [...$("speed").options].find((option) => Number(option.value) === info.speed);
  if (speed && document.activeElement !== $("speed")) $("speed").value = speed.value;
  offer();
}

function onOpened(info) {
  history.clear();
  over = false;
  const plane = info.plane ?? null;
  goal.plane = plane;
  views.open(model, plane, goal);
  film.configure({ plane, dimensions: named(model, "observation") });
  onHolds(info);
}

/** What went wrong while it was played: it waits now. */
function onError(error) {
  if (!options.refuse(error)) show($("stage-error"), sentence(error.message));
  paused = true;
  offer();
}

/** Which buttons do something. */
function offer() {
  const play = $("play");
  play.dataset.icon = paused || over ? "play" : "pause";
  play.querySelector(".word").textContent = over ? "Again" : paused ? "Play" : "Pause";
  $("step").disabled = !paused || over;
}

/** Asks for a change of the episode, and says whether it was made. */
async function change(what, refused = () => {}) {
  const done = await attempt(() => episode.change(what));
  if (!done) refused();
  return done;
}

/** Does something with the episode; what is refused is said at its control, or below the picture. */
async function attempt(act) {
  try {
    await act();
    show($("stage-error"), null);
    return true;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    if (error.status === 401) token.ask(error);
    else if (!options.refuse(error)) show($("stage-error"), sentence(error.message));
    return false;
  }
}

const whole = (field) => Math.max(0, Math.floor(field.valueAsNumber || 0));

async function reset() {
  const seed = whole($("seed"));
  if (await attempt(() => episode.reset(seed))) announce(`Reset with seed ${seed}.`);
}

$("play").addEventListener("click", async () => {
  if (over) {
    await reset();
    if (!paused) return;
  }
  if (await change({ paused: !paused })) announce(paused ? `Paused at step ${history.now?.step ?? 0}.` : "Playing.");
});
$("step").addEventListener("click", () => attempt(() => episode.step()));
$("reset").addEventListener("click", reset);
$("seed").addEventListener("keydown", (event) => event.key === "Enter" && reset());
$("speed").addEventListener("change", () => change({ speed: Number($("speed").value) }));
// Enter in a field is no reason to load the page anew.
$("options").addEventListener("submit", (event) => event.preventDefault());

// ---- A plan out of noise

let denoising = false;

$("denoise-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [button, error] = [$("denoise"), $("denoise-error")];
  const typed = [...$("observation").querySelectorAll("input")].map((field) => field.valueAsNumber || 0);
  const observation = typed.length ? typed : history.now?.observation;
  if (!observation) return;
  const body = {
    observation,
    seed: whole($("denoise-seed")),
    of: $("denoise-of").value,
    options: options.changedOfPlans,
  };
  if (goal.at) body.goal = goal.at;
  show(error, null);
  denoising = button.disabled = true;
  $("denoise-empty").hidden = true;
  $("denoising-where").textContent = episode ? `of step ${history.now.step}` : "";
  try {
    const made = await film.run(server, body, episode ? history.now.position : null);
    if (made)
      announce(
        `A plan was denoised in ${made.steps} steps${Number.isFinite(made.value) ? `, value ${say(made.value)}` : ""}.`,
      );
  } catch (failure) {
    if (!(failure instanceof ServerError)) throw failure;
    if (failure.status === 401) token.ask(failure);
    else show(error, options.refuse(failure) ? "An option was refused: it says why." : sentence(failure.message));
  } finally {
    denoising = button.disabled = false;
  }
});

/** Without an environment an observation is typed. */
function askObservation() {
  for (const { name } of named(model, "observation")) {
    const label = document.createElement("label");
    label.append(
      `${name} `,
      Object.assign(document.createElement("input"), { type: "number", step: "any", value: "0" }),
    );
    $("observation").append(label);
  }
  $("observation").hidden = false;
  $("denoise").textContent = "Denoise";
}

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
  const again = `trying again in ${say(seconds)} s`;
  if (error.status === 0) connection("lost", `Connection lost, ${again}`);
  else connection("wait", sentence(again));
  // What the server answers belongs into words; that it does not answer is the connection's state.
  show($("alert"), error.status === 0 ? null : sentence(error.message));
  // A checkpoint that plans to goals, in an environment that has none: it is to be typed.
  if (error.kind === "goal" && !goal.at) goal.told([0, 0]);
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

async function fetchModel() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      return await server.ask("GET", "/v1/model");
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (error.status === 401) {
        await token.ask(error);
        continue;
      }
      lost(error, wait / 1000);
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

// ---- All of it

function title() {
  const folder =
    String(model.checkpoint ?? "")
      .split(/[\\/]/)
      .filter(Boolean)
      .at(-1) ?? "";
  const name = Object.assign(document.createElement("b"), { textContent: model.environment ?? folder });
  $("subject").replaceChildren(name, ` · ${model.environment ? `${folder} · ` : ""}horizon ${model.horizon}`);
  $("subject").title = model.checkpoint ?? "";
  document.title = `${name.textContent} · diffplan`;
}

async function begin() {
  model = await fetchModel();
  title();
  options = new Options(
    { main: $("options-main"), rest: $("options-rest"), more: $("options-more"), defaults: $("defaults") },
    model,
    (changed) => (episode ? change({ options: changed }) : Promise.resolve(false)),
  );
  $("main").dataset.view = model.environment ? "episode" : "model";
  if (!model.environment) {
    film.configure({ plane: null, dimensions: named(model, "observation") });
    askObservation();
    connection("live", "Connected");
    return;
  }
  episode = new Episode(server, {
    opened: onOpened,
    holds: onHolds,
    frame: onFrame,
    end: onEnd,
    error: onError,
    live,
    lost,
    denied: (error) => token.ask(error),
  });
  window.addEventListener("pagehide", () => episode.close());
  // Come back to from another page, as it was kept by the browser: its episode is over.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  await episode.run({
    seed: whole($("seed")),
    options: options.changed,
    paused: false,
    speed: Number($("speed").value),
  });
}

begin();
