// A small chart for every dimension of a plan.

import { colourOf, palette } from "./colours.js";
import { bounds, columns, line, rimmed, rows, scale, surface, ticks, widened } from "./draw.js";

/** Panels that are shown unasked. */
const FIRST = 12;
const LEFT = 40;

export class Panels {
  #container;
  #more;
  #all = false;
  #panels = [];
  /** Called after panels were added, which have to be drawn. */
  #changed;

  constructor(container, { more = null, changed }) {
    this.#container = container;
    this.#more = more;
    this.#changed = changed;
    more?.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#offer();
      changed();
    });
  }

  /** What there is to show: `[{name, kind}]`, kind "observation" or "action". */
  name(dimensions) {
    this.#panels = dimensions.map(({ name, kind }) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const canvas = document.createElement("canvas");
      caption.append(
        Object.assign(document.createElement("b"), { textContent: name }),
        kind === "action" ? " action" : "",
      );
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${name}: no plan yet`);
      figure.append(caption, canvas);
      return { name, kind, figure, canvas, range: null };
    });
    this.#container.replaceChildren(...this.#panels.map((panel) => panel.figure));
    this.#offer();
  }

  get canvases() {
    return this.#panels.map((panel) => panel.canvas);
  }

  #offer() {
    const shown = this.#all ? this.#panels.length : FIRST;
    this.#panels.forEach((panel, i) => (panel.figure.hidden = i >= shown && this.#more !== null));
    if (!this.#more) return;
    this.#more.hidden = this.#panels.length <= FIRST;
    this.#more.textContent = this.#all ? `The first ${FIRST} alone` : `All ${this.#panels.length} dimensions`;
  }

  /**
   * Draws every panel. `of(kind, index)` gives `{past, lines, values, chosen}`: what came true as `[steps from now, number]`, the
   * candidates' numbers with their values, the chosen one's, and `range`, where that is settled; `null` leaves it empty. `age` is how
   * many steps ago the plan was made, `reach` how many steps plans have.
   */
  draw(of, { age = 0, reach = 0 } = {}) {
    const kinds = { observation: -1, action: -1 };
    for (const panel of this.#panels) {
      kinds[panel.kind] += 1;
      if (panel.figure.hidden) continue;
      const data = of(panel.kind, kinds[panel.kind]);
      const on = data && surface(panel.canvas);
      if (on) this.#drawOne(panel, data, on, age, reach);
    }
  }

  #drawOne(panel, { past, lines, values, chosen, range: settled = null }, { context, width, height }, age, reach) {
    const bottom = height - 20;
    const length = Math.max(chosen?.length ?? 0, ...lines.map((l) => l.length), 2);
    const back = past.length > 1 ? Math.round(Math.max(length, reach) * 0.6) : 0;
    const seen = past.filter(([at]) => at >= -back);
    const found = settled ?? bounds([...seen.map(([, value]) => value), ...(chosen ?? []), ...lines.flat()]) ?? [0, 1];
    const wanted = widened(found, 0.06);
    // It grows at once and shrinks slowly, so that a live chart is calm.
    const follow = (old, next, grows) => (grows ? next : old + (next - old) * 0.04);
    const old = settled ? null : panel.range;
    panel.range = old
      ? [follow(old[0], wanted[0], wanted[0] < old[0]), follow(old[1], wanted[1], wanted[1] > old[1])]
      : wanted;
    const x = scale(-back, length - 1, LEFT, width - 6);
    const y = scale(panel.range[0], panel.range[1], bottom, 4);
    rows(context, ticks(...panel.range, 4), y, LEFT, width - 6);
    columns(context, ticks(-back, length - 1, 4).map(Math.round), x, bottom);
    context.save();
    context.beginPath();
    context.rect(LEFT - 2, 0, width - LEFT, bottom + 2);
    context.clip();
    if (back > 0) {
      context.fillStyle = palette.line;
      context.fillRect(Math.round(x(0)), 2, 1, bottom - 2);
    }
    line(
      context,
      seen.map(([at, value]) => [x(at), y(value)]),
      palette.past,
      4.5,
    );
    const range = bounds(values ?? []) ?? [0, 0];
    const order = lines.map((_, i) => i).sort((a, b) => (values?.[a] ?? 0) - (values?.[b] ?? 0));
    context.globalAlpha = Math.min(0.85, Math.max(0.3, 8 / Math.max(lines.length, 1)));
    for (const i of order) {
      line(
        context,
        lines[i].map((value, k) => [x(k - age), y(value)]),
        colourOf(values?.[i], ...range),
        1.2,
      );
    }
    context.globalAlpha = 1;
    if (chosen)
      rimmed(
        context,
        chosen.map((value, k) => [x(k - age), y(value)]),
        palette.high,
        2.4,
      );
    context.restore();
  }

  /** Says what each panel shows to those who do not see it: `of` as in `draw`, with the unit "steps". */
  describe(of) {
    const kinds = { observation: -1, action: -1 };
    for (const panel of this.#panels) {
      kinds[panel.kind] += 1;
      const data = of(panel.kind, kinds[panel.kind]);
      const range = data && bounds([...(data.chosen ?? []), ...data.lines.flat()]);
      const text = (x) => String(Number(x.toPrecision(3)));
      const from = data?.chosen?.length
        ? `; the chosen plan goes from ${text(data.chosen[0])} to ${text(data.chosen.at(-1))}`
        : "";
      panel.canvas.setAttribute(
        "aria-label",
        range
          ? `${panel.name}: between ${text(range[0])} and ${text(range[1])} in ${data.lines.length} candidates${from}`
          : `${panel.name}: no plan yet`,
      );
    }
  }
}

/** Column `index` of a path's rows. */
export const column = (path, index) => path.map((row) => row[index]);
