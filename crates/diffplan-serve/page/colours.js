// The palette of style.css for drawings, and the colours of values.

const NAMES = [
  "ground",
  "card",
  "well",
  "ink",
  "muted",
  "line",
  "grid",
  "accent",
  "wall",
  "past",
  "low",
  "middle",
  "high",
  "goal",
  "good",
  "bad",
];
const RAMP_STEPS = 64;
const listeners = new Set();

/** The colours now in force, as CSS text by the names of style.css; `ramp` from the lowest value to the highest. */
export const palette = {};

/** Calls `redraw` whenever the colours have changed. */
export function onPalette(redraw) {
  listeners.add(redraw);
}

/** Reads the palette again: at the start, and when the theme changes. */
export function readPalette() {
  // A custom property keeps its light-dark() as text; only a real property says which of both it is.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const rgb = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    palette[name] = getComputedStyle(probe).color;
    rgb[name] = palette[name]
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);
  }
  probe.remove();
  const stops = [rgb.low, rgb.middle, rgb.high].map(toOklab);
  palette.ramp = Array.from({ length: RAMP_STEPS }, (_, i) => {
    const at = (i / (RAMP_STEPS - 1)) * 2;
    const from = Math.min(Math.floor(at), 1);
    const lab = stops[from].map((x, k) => x + (stops[from + 1][k] - x) * (at - from));
    return `rgb(${fromOklab(lab).join(" ")})`;
  });
  for (const redraw of listeners) redraw();
}

/** The theme's choice, kept by the browser, and the system's. */
export function bindTheme(select) {
  const root = document.documentElement;
  const apply = () => {
    if (select.value === "auto") delete root.dataset.theme;
    else root.dataset.theme = select.value;
    readPalette();
  };
  try {
    select.value = localStorage.getItem("diffplan-theme") ?? "auto";
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
  select.addEventListener("change", () => {
    try {
      localStorage.setItem("diffplan-theme", select.value);
    } catch {
      // As above.
    }
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}

/** The colour of `value` between `low` and `high`: that of the highest where all are equal, of the middle where there is no value. */
export function colourOf(value, low, high) {
  if (!Number.isFinite(value)) return palette.middle;
  const part = high > low ? (value - low) / (high - low) : 1;
  return palette.ramp[Math.round(Math.min(Math.max(part, 0), 1) * (RAMP_STEPS - 1))];
}

// OKLab (Ottosson 2020), in which equal steps look equal; the legend's gradient in style.css is mixed in it too.
function toOklab(rgb) {
  const [r, g, b] = rgb.map((x) => {
    const c = x / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((x) => {
    const c = x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
    return Math.round(Math.min(Math.max(c, 0), 1) * 255);
  });
}
