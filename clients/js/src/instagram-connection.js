"use client";
/** The connection as a person sees it. Unstyled; `instagram-connection.css` is there to take or leave. */
import * as React from "react";
import { describe, describeError, relativeTime } from "./states.js";
import { useInstagram } from "./use-instagram.js";

const h = React.createElement;
const MINUTE = 60_000;

const line = (className, ...children) => h("p", { className }, ...children);

const button = (label, onClick, disabled) => h("button", { type: "button", disabled, onClick: () => onClick() }, label);

/** Renders anew once a minute, so that "2 minutes ago" stays true. */
function Time({ at }) {
  const [now, setNow] = React.useState(Date.now);
  React.useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), MINUTE);
    return () => clearInterval(timer);
  }, []);
  return h("time", { dateTime: at, title: String(new Date(at)) }, relativeTime(at, now));
}

/** A picture that does not load takes no room: its text is empty. */
const account = ({ username, name, profile_picture_url: src }) =>
  line(
    "hf-account",
    src && h("img", { src, alt: "", width: 40 }),
    h("b", null, username ? `@${username}` : name),
    username && name && ` ${name}`,
  );

/** @type {import("./react.d.ts").InstagramConnection} */
export function InstagramConnection({ headingLevel = 2, className = "" }) {
  const instagram = useInstagram();
  const { phase, status, error, isConnecting } = instagram;
  const { title, sentence, label, press } = describe(instagram);

  return h(
    "div",
    { role: "group", className: `hf-connection ${className}`, "data-state": status?.state ?? phase, "aria-label": "Instagram" },
    h(`h${headingLevel}`, null, "Instagram"),
    h("div", { role: "status" }, line("hf-title", title), line("hf-sentence", sentence)),
    status?.account && account(status.account),
    error && phase !== "signed-out" && h("p", { role: "alert" }, describeError(error)),
    status?.evidence && line("hf-evidence", status.connected ? "Last confirmed " : "Noticed ", h(Time, status.evidence)),
    h(
      "div",
      { className: "hf-actions" },
      label && button(isConnecting ? "Opening Instagram…" : label, instagram[press], isConnecting),
      status?.action === "fix_at_instagram" &&
        h("a", { href: "https://www.instagram.com/", target: "_blank", rel: "noreferrer" }, "Open Instagram"),
      // The first press only asks. The key closes it again when another account comes.
      status?.account &&
        h(
          "details",
          { key: status.account.id },
          h("summary", null, "Disconnect"),
          button("Yes, disconnect Instagram", instagram.disconnect),
        ),
    ),
  );
}
