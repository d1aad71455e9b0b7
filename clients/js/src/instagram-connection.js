/** The connection as a person sees it. Unstyled; `instagram-connection.css` is there to take or leave. */
import { createElement as h, useEffect, useId, useState } from "react";
import { useInstagram } from "./react.js";
import { describeError, describeStatus, phaseTexts, relativeTime } from "./states.js";

const MINUTE = 60_000;

/** Re-renders once a minute, so that "2 minutes ago" stays true. */
function useNow() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), MINUTE);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function Time({ at, now }) {
  const title = new Date(at).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  return h("time", { dateTime: at, title }, relativeTime(at, now));
}

function Account({ account }) {
  const [failedUrl, setFailedUrl] = useState(null);
  const url = account.profile_picture_url;
  return h(
    "p",
    { className: "hf-account" },
    url &&
      url !== failedUrl &&
      h("img", { src: url, alt: "", width: 40, height: 40, referrerPolicy: "no-referrer", onError: () => setFailedUrl(url) }),
    h("span", { className: "hf-username" }, account.username ? `@${account.username}` : account.name),
    account.username && account.name && h("span", { className: "hf-name" }, account.name),
  );
}

function Disconnect({ disconnect }) {
  const [asks, setAsks] = useState(false);
  const question = useId();
  if (!asks) return h("button", { type: "button", className: "hf-quiet", onClick: () => setAsks(true) }, "Disconnect");
  return h(
    "span",
    { className: "hf-confirm", role: "group", "aria-labelledby": question },
    h("span", { id: question }, "Disconnect Instagram?"),
    h("button", { type: "button", className: "hf-danger", autoFocus: true, onClick: () => disconnect() }, "Yes, disconnect"),
    h("button", { type: "button", className: "hf-quiet", onClick: () => setAsks(false) }, "Keep"),
  );
}

/** @type {import("./instagram-connection.d.ts").InstagramConnection} */
export function InstagramConnection({ headingLevel = 2, className = "" }) {
  const { status, phase, error, isLoading, isConnecting, connect, reconnect, disconnect, check, refetch } = useInstagram();
  const heading = useId();
  const now = useNow();
  const text = status && phase === "ready" ? describeStatus(status) : phaseTexts[phase];
  const shown = phase === "ready" ? status : null;
  const press = { reconnect, fix_at_instagram: check }[shown?.action] ?? connect;
  const problem = error && phase !== "session-refused" && phase !== "signed-out" && describeError(error);
  const button = (label, onClick) =>
    h("button", { type: "button", className: "hf-primary", disabled: isConnecting, onClick: () => onClick() }, label);

  return h(
    "div",
    { role: "group", className: `hf-connection ${className}`, "data-tone": text.tone, "aria-labelledby": heading, "aria-busy": isLoading },
    h(`h${headingLevel}`, { id: heading, className: "hf-heading" }, "Instagram"),
    h(
      "div",
      { role: "status", className: "hf-status" },
      text.title !== "Instagram" && h("p", { className: "hf-title" }, text.title),
      h("p", { className: "hf-sentence" }, text.sentence),
    ),
    shown?.account && h(Account, { account: shown.account }),
    problem && h("p", { role: "alert", className: "hf-error" }, problem),
    shown?.evidence &&
      h("p", { className: "hf-evidence" }, shown.connected ? "Last confirmed " : "Noticed ", h(Time, { at: shown.evidence.at, now })),
    h(
      "div",
      { className: "hf-actions" },
      text.action && button(isConnecting ? "Opening Instagram…" : text.action, press),
      phase === "failed" && button("Try again", refetch),
      shown?.action === "fix_at_instagram" &&
        h("a", { href: "https://www.instagram.com/", target: "_blank", rel: "noreferrer" }, "Open Instagram"),
      shown?.account && h(Disconnect, { disconnect, key: shown.account.id }),
    ),
  );
}
