/** The little that this page needs of a DOM library. */

/** @param {string} id @returns {HTMLElement} */
export const byId = (id) => document.getElementById(id);

/**
 * An element with properties, `data-*`/`aria-*` attributes and children; null children are left
 * out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Sets a text only where it differs: a live region speaks whenever its content is replaced, even by
 * the same.
 */
export function say(element, text) {
  const next = text ?? "";
  if (element.textContent !== next) element.textContent = next;
}

/** Shows a text, or hides its element where there is none. */
export function sayOrHide(element, text) {
  say(element, text);
  element.hidden = !text;
}

export const UNREACHABLE =
  "This page cannot reach its servers. Is “holdfast dev” still running? Reload once it is.";

/** Until the next press. */
let isComplaining = false;

/** Says why something came to nothing. @param {string} text */
export function complain(text) {
  isComplaining = true;
  sayOrHide(byId("notice"), text);
  byId("notice").scrollIntoView({ block: "nearest" });
}

/**
 * Runs what a button does, once at a time. `aria-disabled` instead of `disabled`: a disabled button
 * loses the focus, and a keyboard user's place with it.
 */
export function onPress(button, work) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    if (isComplaining) byId("notice").hidden = true;
    isComplaining = false;
    try {
      await work();
    } catch (error) {
      // What `fetch` says of a server that is gone is no sentence.
      complain(error instanceof TypeError ? UNREACHABLE : error.message);
      throw error; // for whoever looks at the console
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
