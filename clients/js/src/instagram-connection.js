"use client";
/** The connection as a person sees it. Unstyled; `instagram-connection.css` is there to take or leave. */
import * as React from "react";
import { en } from "./locales/en.js";
import { describe, describeError, relativeTime } from "./states.js";
import { useInstagram, useLocale } from "./use-instagram.js";

/** @typedef {import("./states.d.ts").Locale} Locale */

const h = React.createElement;
const MINUTE = 60_000;

/**
 * Presses that cannot be made twice: while one is under way nothing else is, and the second click
 * of a double click is none. Where what was pressed goes away with its effect, the focus moves on
 * to the next button instead of getting lost.
 */
function usePresses() {
  const group = React.useRef(/** @type {HTMLElement | null} */ (null));
  const isOurs = React.useRef(false);
  const [pressed, setPressed] = React.useState(/** @type {string | null} */ (null));
  React.useEffect(() => {
    if (!isOurs.current || !group.current) return;
    if (document.activeElement === document.body) {
      const next = group.current.querySelector(".hf-actions button");
      /** @type {HTMLElement} */ (next ?? group.current).focus();
    }
    isOurs.current = pressed !== null;
  });
  /**
   * @param {string} name
   * @param {() => Promise<unknown>} operation
   */
  const press = (name, operation) => (/** @type {React.MouseEvent} */ event) => {
    if (pressed || event.detail > 1) return;
    isOurs.current = true;
    setPressed(name);
    operation().then(() => setPressed(null));
  };
  return { group, pressed, press };
}

/** Not `disabled`, which would take the focus away. @param {boolean} isBusy @param {any} props */
const button = (isBusy, props) =>
  h("button", { type: "button", "aria-disabled": isBusy || undefined, ...props });

/**
 * A time that has passed, also where this computer's clock is slow. Renders anew once a minute, so
 * that "2 minutes ago" stays true.
 * @param {{ at: string, locale: Locale }} props
 */
function Time({ at, locale }) {
  const [now, setNow] = React.useState(Date.now);
  React.useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), MINUTE);
    return () => clearInterval(timer);
  }, []);
  const title = new Date(at).toLocaleString(locale.lang, { dateStyle: "full", timeStyle: "long" });
  return h(
    "time",
    { dateTime: at, title },
    relativeTime(at, Math.max(now, Date.parse(at)), locale),
  );
}

/** Initials where there is no picture, or where it does not load. @param {{ src: string | null, name: string }} props */
function Picture({ src, name }) {
  const [broken, setBroken] = React.useState(/** @type {string | null} */ (null));
  const initials = name.split(/\s+/, 2).map(([first]) => first);
  return h(
    "span",
    { className: "hf-picture", "aria-hidden": true },
    src && src !== broken ? h("img", { src, alt: "", onError: () => setBroken(src) }) : initials,
  );
}

/** @param {import("./holdfast-client.d.ts").InstagramAccount} account */
const account = ({ username, name, profile_picture_url: src }) =>
  h(
    "p",
    { className: "hf-account" },
    h(Picture, { src, name: name || username || "?" }),
    h("b", null, username ? `@${username}` : name),
    username && name && ` ${name}`,
  );

/** @type {typeof import("./react.d.ts").InstagramConnection} */
export function InstagramConnection({ headingLevel = 2, className = "", locale: given }) {
  const inherited = useLocale();
  const locale = given ?? inherited ?? en;
  const instagram = useInstagram();
  const { group, pressed, press } = usePresses();
  const { phase, status, error, isConnecting } = instagram;
  const { title, sentence, label, press: name, another } = describe(instagram, locale);
  const { labels } = locale;
  const isBusy = !!pressed || isConnecting;
  const busyLabel = isConnecting ? labels.opening : pressed === "check" && labels.checking;
  const [before, after] = (status?.connected ? labels.confirmed : labels.noticed).split("{time}");

  return h(
    "div",
    {
      ref: group,
      role: "group",
      tabIndex: -1,
      lang: locale.lang,
      className: `hf-connection ${className}`,
      "data-state": status?.state ?? phase,
      "aria-label": "Instagram",
    },
    h(`h${headingLevel}`, null, "Instagram"),
    h(
      "div",
      { role: "status" },
      h("p", { className: "hf-title" }, title),
      h("p", { className: "hf-sentence" }, sentence),
    ),
    status?.account && account(status.account),
    error && phase !== "signed-out" && h("p", { role: "alert" }, describeError(error, locale)),
    status?.evidence &&
      h(
        "p",
        { className: "hf-evidence" },
        before,
        h(Time, { at: status.evidence.at, locale }),
        after,
      ),
    h(
      "div",
      { className: "hf-actions" },
      label &&
        button(isBusy, { onClick: press(name, instagram[name]), children: busyLabel || label }),
      another &&
        button(isBusy, { onClick: press("another", instagram.connectAnother), children: another }),
      status?.action === "fix_at_instagram" &&
        h(
          "a",
          { href: "https://www.instagram.com/", target: "_blank", rel: "noreferrer" },
          labels.open,
        ),
      // The first press only asks. The key closes it again when another account comes.
      status?.account &&
        h(
          "details",
          { key: status.account.id },
          h("summary", null, labels.disconnect),
          button(isBusy, {
            onClick: press("disconnect", instagram.disconnect),
            children: labels.confirm,
          }),
        ),
    ),
  );
}
