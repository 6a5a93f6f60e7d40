// What all drawings share: sharp canvases, one frame of animation for many changes, scales, ticks, lines.

import { onPalette, palette } from "./colours.js";

/** A canvas fitted to its box at the screen's resolution, cleared: its context, width and height in CSS pixels. `null` while unseen. */
export function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (width < 2 || height < 2) return null;
  const density = Math.min(window.devicePixelRatio || 1, 3);
  const [w, h] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineJoin = "round";
  context.lineCap = "round";
  context.font = '11.5px "Inter", system-ui, sans-serif';
  return { context, width, height };
}

/**
 * `draw` made lazy: however often the result is called, it draws once before the next screen refresh; and again when the colours or
 * the size of one of `canvases` change.
 */
export function lazily(draw, ...canvases) {
  let waiting = false;
  const request = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
  onPalette(request);
  const observer = new ResizeObserver(request);
  for (const canvas of canvases) observer.observe(canvas);
  return request;
}

/** At most one call in `gap` ms, with the newest arguments; the first at once. */
export function paced(gap, act) {
  let timer = null;
  let newest = null;
  const run = () => {
    timer = null;
    if (newest === null) return;
    const now = newest;
    newest = null;
    timer = setTimeout(run, gap);
    act(...now);
  };
  return (...given) => {
    newest = given;
    if (timer === null) run();
  };
}

/** A function from [from, to] to [a, b]. */
export function scale(from, to, a, b) {
  const slope = to > from ? (b - a) / (to - from) : 0;
  return (x) => a + (x - from) * slope;
}

/** At most `count` round numbers between `low` and `high`. */
export function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((x) => x * power).find((x) => x >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

/** A number for reading: about four digits, a true minus sign. */
export function say(number, digits = 4) {
  if (typeof number !== "number" || !Number.isFinite(number)) return "–";
  const size = Math.abs(number);
  const text =
    size !== 0 && (size >= 1e6 || size < 1e-4) ? number.toExponential(2) : String(Number(number.toPrecision(digits)));
  return text.replace("-", "−");
}

/** The least and greatest of finite numbers; `null` where there are none. */
export function bounds(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const x of numbers) {
    if (!Number.isFinite(x)) continue;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  return low <= high ? [low, high] : null;
}

/** The quantile `part` of numbers that are sorted, between neighbours linearly. */
export function quantile(sorted, part) {
  const at = part * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/** Bounds widened by a share of their width, and never of no width. */
export function widened([low, high], share) {
  const room = high > low ? (high - low) * share : Math.max(Math.abs(high) * 0.1, 0.5);
  return [low - room, high + room];
}

/** A line through points, interrupted where one is no number. */
export function line(context, points, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  let down = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      down = false;
      continue;
    }
    if (down) context.lineTo(x, y);
    else context.moveTo(x, y);
    down = true;
  }
  context.stroke();
}

/** A line with a rim of the ground's colour, so that it stands out from what it crosses. */
export function rimmed(context, points, colour, width, rim = palette.card) {
  line(context, points, rim, width + 2.5);
  line(context, points, colour, width);
}

/** Horizontal lines of a chart with their numbers left of `left`. */
export function rows(context, values, y, left, right) {
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.strokeStyle = palette.grid;
  context.lineWidth = 1;
  for (const value of values) {
    const at = Math.round(y(value)) + 0.5;
    context.beginPath();
    context.moveTo(left, at);
    context.lineTo(right, at);
    context.stroke();
    context.fillText(say(value), left - 6, at);
  }
}

/** Numbers under a chart. */
export function columns(context, values, x, bottom) {
  context.fillStyle = palette.muted;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const value of values) context.fillText(say(value), x(value), bottom + 5);
}
