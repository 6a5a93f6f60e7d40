// Words on the page: what is said aloud, messages where they belong.

export const $ = (id) => document.getElementById(id);

let saying = null;

/** Says an event to screen readers. Frames are never said; of keys that repeat and sliders that move, the last. */
export function announce(text) {
  clearTimeout(saying);
  saying = setTimeout(() => ($("announcer").textContent = text), 250);
}

/** Puts a message into its place, or takes it away. */
export function show(element, message) {
  element.textContent = message ?? "";
  element.hidden = !message;
}

/** A message as a sentence; one that begins with an option's name keeps it as it is spelled. */
export const sentence = (text) => (/^[a-z]+ /.test(text) ? text[0].toUpperCase() + text.slice(1) : text);
