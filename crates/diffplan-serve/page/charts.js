// Values over steps, and times of plans.

import { colourOf, palette } from "./colours.js";
import { bounds, columns, line, quantile, rows, say, scale, surface, ticks, widened } from "./draw.js";

const LEFT = 52;
const BOTTOM = 24;
const STRIP = 54;

/**
 * Values over `plans`, `[{step, value, sorted}]`: all of them as a band, the middle half darker, the best as a line; on the right
 * `values` one by one. `from` and `to` are the steps shown, `mark` a step with a line through it.
 */
export function drawValues(canvas, plans, { values, from, to, mark = null, range: fixed = null, unit = "step" }) {
  const on = surface(canvas);
  if (!on || !plans.length) return;
  const { context, width, height } = on;
  const [right, bottom] = [width - STRIP, height - BOTTOM];
  const [low, high] =
    fixed ?? widened(bounds(plans.flatMap((plan) => [plan.sorted[0], plan.sorted.at(-1), plan.value])) ?? [0, 1], 0.06);
  const x = scale(from, to, LEFT, right - 6);
  const y = scale(low, high, bottom, 6);
  rows(context, ticks(low, high, 4), y, LEFT, right);
  columns(context, ticks(from, to, Math.max(2, Math.floor(width / 110))), x, bottom);
  context.textAlign = "right";
  context.fillStyle = palette.muted;
  context.fillText(unit, width - 4, bottom + 5);

  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT, bottom + 1);
  context.clip();
  const band = (lower, upper, alpha) => {
    context.globalAlpha = alpha;
    context.fillStyle = palette.accent;
    context.beginPath();
    for (const plan of plans) context.lineTo(x(plan.step), y(quantile(plan.sorted, upper)));
    for (const plan of plans.toReversed()) context.lineTo(x(plan.step), y(quantile(plan.sorted, lower)));
    context.fill();
    context.globalAlpha = 1;
  };
  band(0, 1, 0.13);
  band(0.25, 0.75, 0.22);
  line(
    context,
    plans.map((plan) => [x(plan.step), y(plan.value)]),
    palette.high,
    2,
  );
  if (mark !== null) {
    context.fillStyle = palette.muted;
    context.fillRect(Math.round(x(mark)), 4, 1, bottom - 4);
  }

  const known = (values ?? []).filter(Number.isFinite);
  const range = bounds(known);
  if (!range) {
    context.restore();
    return;
  }
  context.fillStyle = palette.well;
  context.fillRect(right + 4, 4, STRIP - 8, bottom - 2);
  const order = known.map((value, i) => [value, i]).sort((a, b) => a[0] - b[0]);
  for (const [value, i] of order) {
    // Beside one another by the golden ratio: spread, and where they were in the frame before.
    const across = right + 12 + ((i * 0.618034) % 1) * (STRIP - 24);
    context.beginPath();
    context.arc(across, y(value), 3.4, 0, 2 * Math.PI);
    context.fillStyle = colourOf(value, ...range);
    context.strokeStyle = palette.well;
    context.lineWidth = 1;
    context.fill();
    context.stroke();
  }
  context.restore();
}

/** What a chart of values shows, in words. */
export function sayValues(values) {
  const sorted = (values ?? []).filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return "Candidates have no values here.";
  if (sorted.length === 1) return `One candidate, of value ${say(sorted[0])}.`;
  return `Best ${say(sorted.at(-1))}, median ${say(quantile(sorted, 0.5))}, lowest ${say(sorted[0])} of ${sorted.length} candidates.`;
}

/**
 * Milliseconds of plans, one dot each, with the median, the 95th percentile and the deadline as lines; and, where it is not far above
 * them, how long the environment's step is: with a plan a step, plans below it keep up with real time.
 */
export function drawTimes(canvas, times, deadline, realTime) {
  const on = surface(canvas);
  if (!on || !times.length) return;
  const { context, width, height } = on;
  const bottom = height - BOTTOM;
  const sorted = times.toSorted((a, b) => a - b);
  // One that took very long would leave no room for all others: it is drawn at the edge, and the caption says how long it took.
  const highest = Math.max(Math.min(sorted.at(-1), quantile(sorted, 0.95) * 2.5), deadline ?? 0);
  const isNear = realTime > 0 && realTime < highest * 2;
  const top = Math.max(highest, isNear ? realTime : 0) * 1.08;
  const right = width - STRIP;
  const count = Math.max(times.length, 60);
  const x = scale(0, count - 1, LEFT, right - 6);
  const y = scale(0, top, bottom, 6);
  rows(context, ticks(0, top, 4), y, LEFT, right);
  context.textBaseline = "top";
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.fillText(`last ${times.length} ${times.length === 1 ? "plan" : "plans"}`, right, bottom + 5);

  for (const [i, ms] of times.entries()) {
    context.globalAlpha = 0.6;
    context.fillStyle = deadline && ms > deadline ? palette.bad : palette.accent;
    context.beginPath();
    context.arc(x(i), y(Math.min(ms, top)), 2.1, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const marks = [
    { ms: quantile(sorted, 0.5), name: "p50", colour: palette.ink, dash: [] },
    { ms: quantile(sorted, 0.95), name: "p95", colour: palette.muted, dash: [] },
  ];
  if (deadline) marks.push({ ms: deadline, name: "deadline", colour: palette.bad, dash: [5, 4] });
  if (isNear) marks.push({ ms: realTime, name: "real time", colour: palette.good, dash: [2, 5] });
  marks.sort((a, b) => a.ms - b.ms);
  let lowest = Infinity;
  for (const { ms, name, colour, dash } of marks) {
    const at = y(Math.min(ms, top));
    context.setLineDash(dash);
    context.globalAlpha = 0.75;
    line(
      context,
      [
        [LEFT, at],
        [right - 4, at],
      ],
      colour,
      1.2,
    );
    context.globalAlpha = 1;
    context.setLineDash([]);
    context.fillStyle = colour;
    // Labels of lines that are close together keep apart.
    const label = Math.min(at, lowest - 13);
    lowest = label;
    context.fillText(name, right, Math.max(label, 8));
  }
}

/** What a chart of times shows, in words. */
export function sayTimes(times, deadline, realTime) {
  const sorted = times.toSorted((a, b) => a - b);
  if (!sorted.length) return "No plan yet.";
  const late = deadline ? times.filter((ms) => ms > deadline).length : 0;
  const ms = (part) => `${say(quantile(sorted, part), 3)} ms`;
  return `p50 ${ms(0.5)}, p95 ${ms(0.95)}, max ${ms(1)}${deadline ? `; ${late} of ${sorted.length} later than ${say(deadline)} ms` : ""}.${realTime > 0 ? ` A step of the environment is ${say(realTime, 3)} ms.` : ""}`;
}
