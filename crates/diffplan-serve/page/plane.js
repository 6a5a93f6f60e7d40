// A plane from above: walls, paths coloured by value, what came true, where one is and is to go.

import { colourOf, palette } from "./colours.js";
import { bounds, line, rimmed, surface } from "./draw.js";

/** Where points of a plane lie on a canvas of this size, x to the right and y up, and back. */
export function projection([x0, x1, y0, y1], width, height) {
  const unit = Math.min(width / (x1 - x0), height / (y1 - y0));
  const left = (width - unit * (x1 - x0)) / 2;
  const top = (height - unit * (y1 - y0)) / 2;
  return {
    unit,
    to: ([x, y]) => [left + (x - x0) * unit, top + (y1 - y) * unit],
    back: ([px, py]) => [x0 + (px - left) / unit, y1 - (py - top) / unit],
  };
}

/** Gives a canvas the plane's proportions (style.css says how large it may be). */
export function shape(canvas, [x0, x1, y0, y1]) {
  canvas.style.setProperty("--ratio", String((x1 - x0) / (y1 - y0)));
}

/** Whether a point is within the plane and in no wall. */
export function free({ extent: [x0, x1, y0, y1], walls }, [x, y]) {
  return (
    x >= x0 && x <= x1 && y >= y0 && y <= y1 && !(walls ?? []).some((w) => x > w[0] && x < w[2] && y > w[1] && y < w[3])
  );
}

/**
 * Draws a plane with `scene`: `past`, `candidates` with their `values`, `chosen` (paths), `position`, `goal` (points); any may be
 * left out.
 */
export function drawPlane(canvas, plane, scene) {
  const on = surface(canvas);
  if (!on) return;
  const { context, width, height } = on;
  const { to, unit } = projection(plane.extent, width, height);
  const paths = (path) => path.map(to);
  context.fillStyle = palette.wall;
  for (const [x0, y0, x1, y1] of plane.walls ?? []) {
    // On whole pixels, so that walls that touch have no seam.
    const [a, b] = [to([x0, y1]), to([x1, y0])].map((p) => p.map(Math.round));
    context.fillRect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
  }
  if (scene.past?.length > 1) line(context, paths(scene.past), palette.past, Math.max(3, unit * 0.09));

  const candidates = scene.candidates ?? [];
  const range = bounds(scene.values ?? []) ?? [0, 0];
  const order = candidates.map((_, i) => i).sort((a, b) => (scene.values?.[a] ?? 0) - (scene.values?.[b] ?? 0));
  const size = plane.extent[1] - plane.extent[0] + plane.extent[3] - plane.extent[2];
  const faint = Math.min(0.9, Math.max(0.35, 8 / Math.max(candidates.length, 1)));
  for (const i of order)
    path(context, paths(candidates[i]), size * unit, colourOf(scene.values?.[i], ...range), 1.4, faint);
  if (scene.chosen) path(context, paths(scene.chosen), size * unit, palette.high, 3, 1);
  if (scene.goal) star(context, to(scene.goal), Math.max(9, Math.min(unit * 0.26, 16)));
  if (scene.position) disc(context, to(scene.position), Math.max(5, Math.min(unit * 0.15, 10)));
}

/** A path: a line where it is one; where it is noise, to and fro between its points, the points, which the lines would hide. */
function path(context, points, size, colour, width, alpha) {
  let length = 0;
  for (let i = 1; i < points.length; i++)
    length += Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]) || 0;
  const smooth = Math.min(1, (2 * size) / Math.max(length, 1e-9));
  context.globalAlpha = alpha * Math.max(smooth ** 2, 0.08);
  if (width > 2 && smooth > 0.8) rimmed(context, points, colour, width, palette.well);
  else line(context, points, colour, Math.max(1, width * smooth));
  if (smooth < 1) {
    context.globalAlpha = alpha * (1 - smooth ** 2);
    context.fillStyle = colour;
    const radius = 0.8 + width * 0.5;
    for (const [x, y] of points) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.globalAlpha = 1;
}

function star(context, [x, y], radius) {
  context.beginPath();
  for (let i = 0; i < 10; i++) {
    const r = i % 2 ? radius * 0.45 : radius;
    const angle = -Math.PI / 2 + (i * Math.PI) / 5;
    context.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = palette.goal;
  context.strokeStyle = palette.well;
  context.lineWidth = 2;
  context.stroke();
  context.fill();
}

function disc(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = palette.well;
  context.strokeStyle = palette.ink;
  context.lineWidth = 2.5;
  context.fill();
  context.stroke();
}
