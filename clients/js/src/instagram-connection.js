"use client";
/**
 * The connection as a person sees it. Unstyled; `instagram-connection.css` is there to take or
 * leave.
 */
import * as React from "react";
import { en } from "./locales/en.js";
import { describe } from "./states.js";
import { useHoldfast, useInstagram } from "./use-instagram.js";

/** @typedef {import("./holdfast-client.d.ts").InstagramAccount} InstagramAccount */
/** @typedef {import("./holdfast-client.d.ts").InstagramStatus} InstagramStatus */
/** @typedef {{ name: Operation, group: HTMLElement }} Pressed */
/** @typedef {"connectAnother" | "disconnect" | import("./states.d.ts").Press} Operation */

const h = React.createElement;

/**
 * Makes buttons that call an operation of the hook by its name, one at a time: meanwhile nothing
 * else is pressed, and the second click of a double click never is. Where a button goes away with
 * its effect, the focus moves on to the next one.
 * @param {import("./react.d.ts").Instagram} instagram
 * @param {string} busy what a button says while its operation is under way
 */
function useButtons(instagram, busy) {
  const [pressed, setPressed] = React.useState(/** @type {Pressed | null} */ (null));
  const isBusy = !!pressed || instagram.isConnecting;
  React.useEffect(
    () => () => {
      if (!pressed || document.activeElement !== document.body) return;
      // Not one of those that are folded away: they take no focus.
      const next = pressed.group.querySelector(".hf-actions > button") ?? pressed.group;
      /** @type {HTMLElement} */ (next).focus();
    },
    [pressed],
  );
  /**
   * @param {Operation} name
   * @param {string | undefined} label none where there is nothing to press
   */
  return (name, label) =>
    label &&
    h(
      "button",
      {
        type: "button",
        "aria-disabled": isBusy || undefined, // not `disabled`, which would take the focus away
        async onClick(/** @type {React.MouseEvent} */ { detail: clicks, currentTarget }) {
          if (isBusy || clicks > 1) return;
          setPressed({
            name,
            group: /** @type {HTMLElement} */ (currentTarget.closest(".hf-connection")),
          });
          await instagram[name]();
          setPressed(null);
        },
      },
      pressed?.name === name ? busy : label,
    );
}

// Each text that changes is the only child of an element: where a browser translates the page it
// has put elements of its own in the place of texts, and React, which looks for a text that is
// gone, would take the whole page down.

/**
 * Initials where there is no picture, or where it does not load.
 * @param {InstagramAccount} account
 */
function Account({ username, name, profile_picture_url: src }) {
  const [broken, setBroken] = React.useState(/** @type {string | null} */ (null));
  const initials = (name?.trim() || username || "?").split(/\s+/, 2).map(([first]) => first);
  const picture =
    src && src !== broken && h("img", { src, alt: "", onError: () => setBroken(src) });
  return h(
    "p",
    { className: "hf-account" },
    h("span", { className: "hf-picture", "aria-hidden": true }, picture || initials.join("")),
    // Neither turns the other around, in all directions of name, handle and page.
    h("b", null, h("bdi", { dir: "ltr" }, username && `@${username}`)),
    " ",
    h("bdi", null, name),
  );
}

/** @type {typeof import("./react.d.ts").InstagramConnection} */
export function InstagramConnection({ headingLevel = 2, className = "", locale: given }) {
  const { locale: inherited } = useHoldfast();
  const locale = given ?? inherited ?? en;
  const { lang, dir = "ltr", labels } = locale;
  const instagram = useInstagram();
  const { phase, status, isConnecting } = instagram;
  const button = useButtons(instagram, labels.busy);
  const { title, sentence, alert, label, press, another } = describe(instagram, locale);
  const {
    account,
    action,
    connected,
    evidence,
    state = phase,
  } = status ?? /** @type {Partial<InstagramStatus>} */ ({});

  /**
   * What the first press only asks; the second does it. The key closes it again when another
   * account comes.
   * @param {Operation} name
   * @param {string} label
   * @param {string} confirm
   */
  const asking = (name, label, confirm) =>
    h("details", { key: name + account?.id }, h("summary", null, label), button(name, confirm));

  return h(
    "div",
    {
      role: "group",
      tabIndex: -1,
      lang,
      dir,
      className: `hf-connection ${className}`,
      "data-state": state,
      "aria-label": "Instagram",
    },
    h(`h${headingLevel}`, null, "Instagram"),
    h(
      "div",
      { role: "status" },
      h("p", { className: "hf-title" }, title),
      h("p", { className: "hf-sentence" }, sentence),
    ),
    account && h(Account, account),
    alert && h("p", { role: "alert" }, alert),
    evidence &&
      h(
        "p",
        { className: "hf-evidence" },
        h("span", null, connected ? labels.confirmed : labels.noticed),
        " ",
        h(
          "time",
          { dateTime: evidence.at },
          new Date(evidence.at).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" }),
        ),
      ),
    h(
      "div",
      { className: "hf-actions" },
      press && button(press, isConnecting ? labels.busy : label),
      another &&
        (account
          ? asking("connectAnother", another, labels.replace ?? another)
          : button("connectAnother", another)),
      action === "fix_at_instagram" &&
        h(
          "a",
          { href: "https://www.instagram.com/", target: "_blank", rel: "noreferrer" },
          labels.open,
        ),
      account && asking("disconnect", labels.disconnect, labels.confirm),
    ),
  );
}
