// The goal's handle: dragged by pointer, put by a click, moved by arrow keys, or typed.

import { paced, say } from "./draw.js";
import { free, projection } from "./plane.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** A key's way, in shares of the plane's shorter side; five times that with Shift. */
const STEP = 1 / 40;

const shown = (value) => Number(value.toFixed(3));

export class Goal {
  #plane = null;
  #held = false;
  #announce;
  #send;
  #moved;
  /** Where it is shown: ahead of the server while it is being moved. */
  at = null;

  /** `send(goal)` tells the server, `moved()` that it is elsewhere on the page, `announce(text)` what is to be said aloud. */
  constructor({ canvas, handle, fields, help, name, x, y }, { send, moved, announce }) {
    this.parts = { canvas, handle, fields, help, name, x, y };
    this.#send = paced(120, send);
    this.#moved = moved;
    this.#announce = announce;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      this.#held = true;
      handle.dataset.held = "";
    });
    handle.addEventListener("pointermove", (event) => this.#held && this.#put(this.#under(event), false));
    const release = () => {
      if (!this.#held) return;
      this.#held = false;
      delete handle.dataset.held;
      this.#announce(this.#text());
    };
    handle.addEventListener("pointerup", release);
    handle.addEventListener("pointercancel", release);
    handle.addEventListener("lostpointercapture", release);
    canvas.addEventListener("click", (event) => this.at && this.#plane && this.#put(this.#under(event), true));
    handle.addEventListener("keydown", (event) => this.#key(event));
    // Both numbers at once: when Enter is pressed, or when both fields are left.
    fields.addEventListener("keydown", (event) => event.key === "Enter" && this.#typed());
    fields.addEventListener("focusout", (event) => !fields.contains(event.relatedTarget) && this.#typed());
  }

  /** The plane it is in; `null` where there is none, and numbers alone say where it is. */
  set plane(plane) {
    this.#plane = plane;
  }

  /** What the server says, unless the goal is just being moved. */
  told(goal) {
    if (this.#held || !goal || goal.length !== 2 || (Date.now() - this.#when < 600 && this.at)) return;
    this.at = [...goal];
    this.#fill();
    this.place();
  }

  #when = 0;

  /** What the server refused is given up. */
  refused(goal) {
    this.#when = 0;
    this.#held = false;
    if (goal) this.told(goal);
    this.#moved();
  }

  /** Puts the handle over the drawing. */
  place() {
    const { canvas, handle, fields, help, name } = this.parts;
    fields.hidden = !this.at;
    handle.hidden = help.hidden = !(this.at && this.#plane);
    if (handle.hidden) return;
    const { to } = projection(this.#plane.extent, canvas.clientWidth, canvas.clientHeight);
    const [x, y] = to(this.at);
    handle.style.left = `${canvas.offsetLeft + x}px`;
    handle.style.top = `${canvas.offsetTop + y}px`;
    name.textContent = this.#text();
  }

  #text() {
    return `Goal at x ${say(this.at[0], 3)}, y ${say(this.at[1], 3)}`;
  }

  #typed() {
    const { x, y } = this.parts;
    const to = [x.valueAsNumber, y.valueAsNumber];
    const moved = this.at && to.some((value, axis) => value !== shown(this.at[axis]));
    if (!this.at) return;
    if (moved && to.every(Number.isFinite)) this.#put(to, true, true);
    // As it was taken, so that leaving the fields does not send it again.
    x.value = String(shown(this.at[0]));
    y.value = String(shown(this.at[1]));
  }

  /** Says where it is in the fields, unless somebody types there. */
  #fill() {
    const { x, y, fields } = this.parts;
    if (fields.contains(document.activeElement)) return;
    x.value = String(shown(this.at[0]));
    y.value = String(shown(this.at[1]));
  }

  #under(event) {
    const { canvas } = this.parts;
    const box = canvas.getBoundingClientRect();
    return projection(this.#plane.extent, box.width, box.height).back([
      event.clientX - box.left,
      event.clientY - box.top,
    ]);
  }

  #key(event) {
    const arrow = ARROWS[event.key];
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [x0, x1, y0, y1] = this.#plane.extent;
    const step = STEP * Math.min(x1 - x0, y1 - y0) * (event.shiftKey ? 5 : 1);
    this.#put([this.at[0] + arrow[0] * step, this.at[1] + arrow[1] * step], true);
  }

  /** Moves it there, or says that it cannot be: into a wall it is not dragged, and typed numbers are the server's to judge. */
  #put(to, aloud, typed = false) {
    if (this.#plane && !typed && !free(this.#plane, to)) {
      if (aloud) this.#announce(`There is a wall. ${this.#text()}`);
      return;
    }
    this.at = to.map((value) => Number(value.toFixed(4)));
    this.#when = Date.now();
    this.#fill();
    this.place();
    this.#moved();
    this.#send(this.at);
    if (aloud) this.#announce(this.#text());
  }
}
