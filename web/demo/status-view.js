/** The connection as a person would want it shown: what is the matter, since when, what to do. */
import { describe, describeError, relativeTime } from "/client/states.js";
import { byId, h, say, sayOrHide } from "./dom.js";

const EVIDENCE = {
  oauth: "by connecting",
  refresh: "by a refresh",
  use: "by asking",
  callback: "by a callback",
  clock: "by the clock",
};
const TONES = {
  idle: "busy",
  loading: "busy",
  connecting: "busy",
  connected: "good",
  degraded: "warning",
  action_required: "warning",
  failed: "warning",
  "session-refused": "warning",
  reconnect_required: "bad",
};
const LIVE = { stream: "Live", poll: "Live, by asking now and then" };
const ACCOUNT_TYPES = { business: "business account", media_creator: "creator account" };

/**
 * @param {string[]} pictureOrigins whence this page may load pictures; elsewhere its policy would
 *   refuse them
 * @param {() => number} now the time at the server, milliseconds since the epoch
 */
export function createStatusView(pictureOrigins, now) {
  const panel = byId("connection");
  const picture = byId("account-picture");
  picture.addEventListener("error", () => (picture.hidden = true));
  let shownFacts = "";

  return function show(snapshot) {
    const { phase, error, isConnecting, isCompleting, live } = snapshot;
    const status = phase === "ready" ? snapshot.status : null;
    const text = describe(snapshot);
    panel.dataset.state = status?.state ?? phase;
    panel.dataset.tone =
      status?.reason === "scopes_missing" ? "warning" : (TONES[panel.dataset.state] ?? "neutral");
    say(byId("state-title"), text.title);
    say(byId("state-sentence"), text.sentence ?? "");
    say(byId("live"), LIVE[live] ?? "");
    sayOrHide(byId("problem"), error && describeError(error));
    showAccount(status?.account ?? null);
    showFacts(status);
    panel.toggleAttribute("data-completing", isCompleting);
    sayOrHide(byId("connect"), isConnecting ? "Opening Instagram…" : (text.label ?? null));
    sayOrHide(byId("another"), text.another ?? null);
    // What is to be fixed at Instagram has a button that checks already.
    byId("check").hidden = !status?.account || status.action === "fix_at_instagram";
    byId("disconnect").hidden = !status?.account;
  };

  function showAccount(account) {
    byId("account").hidden = !account;
    if (!account) return;
    const { username, name, account_type: type, profile_picture_url: picturedAt } = account;
    const url =
      picturedAt && pictureOrigins.includes(new URL(picturedAt).origin) ? picturedAt : null;
    say(byId("account-handle"), username ? `@${username}` : (name ?? account.id));
    say(
      byId("account-name"),
      [username && name, ACCOUNT_TYPES[type] ?? type].filter(Boolean).join(", "),
    );
    say(byId("account-initial"), (name ?? username ?? "?").slice(0, 1).toUpperCase());
    if (picture.getAttribute("src") !== url) {
      picture.hidden = !url;
      if (url) picture.src = url;
      else picture.removeAttribute("src");
    }
  }

  function showFacts(status) {
    const facts = status ? factsOf(status, now()) : [];
    // Rebuilt only on change, so that a selection or an open tooltip survives the clock's ticking.
    const key = JSON.stringify(facts);
    if (key === shownFacts) return;
    shownFacts = key;
    byId("facts").replaceChildren(
      ...facts.map(({ term, at, text, codes, tone }) =>
        h(
          "div",
          { className: codes ? "wide" : "" },
          h("dt", {}, term),
          h(
            "dd",
            { "data-tone": tone },
            at ? h("time", { dateTime: at, title: exact(at) }, text) : null,
            ...(codes ?? []).flatMap((code, index) => [index ? ", " : "", h("code", {}, code)]),
          ),
        ),
      ),
    );
  }
}

function factsOf(status, now) {
  const time = (term, at, suffix = "") =>
    at && { term, at, text: capital(relativeTime(at, now)) + suffix };
  const { evidence } = status;
  return [
    time("Since", status.since),
    evidence &&
      time(
        status.connected ? "Last confirmed" : "Noticed",
        evidence.at,
        `, ${EVIDENCE[evidence.source]}`,
      ),
    time("Next refresh", status.next_refresh_at),
    status.connected && time("Access lasts until", status.token_expires_at),
    time("Asking again", status.retry_after),
    status.connected && status.scopes.length && { term: "Allowed", codes: status.scopes },
    status.missing_scopes.length && {
      term: "Not allowed",
      codes: status.missing_scopes,
      tone: "warning",
    },
  ].filter(Boolean);
}

const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
const exact = (at) =>
  new Date(at).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
