/**
 * The same moment, two backends: what Holdfast answered, and what the naive model makes of the same
 * facts.
 */
import { byId, say } from "./dom.js";
import { FRONT_END, LOOP_EVERY_MS, naiveBackend, naiveFrontEnd } from "./naive.js";
import { statusLine } from "./request-log.js";

const COMPARED = ["/user/instagram/status", "/user/instagram/check"];
const FIELDS = ["connected", "state", "reason", "action", "code", "source"];

/**
 * @param {object} parts
 * @param {(account: object | null) => Promise<{keyIds: string[] | null, instagram: object | null}>}
 *   parts.observe what the stand-ins answer now
 * @param {() => object | null} parts.status the status that the page holds
 * @param {() => void} parts.onVerdict called when the naive side's answer is known
 */
export function createComparison({ observe, status, onVerdict }) {
  let frontEnd = FRONT_END;
  let answer = null;
  let sequence = 0;

  setInterval(() => {
    if (!frontEnd.looping || document.visibilityState === "hidden") return;
    frontEnd = naiveFrontEnd(frontEnd, answer);
    showVerdict();
  }, LOOP_EVERY_MS);

  /** Takes in one finished request of the page. */
  async function add(entry) {
    if (!COMPARED.includes(entry.path) || !entry.token) return;
    showHoldfast(entry);
    // The naive front end does not repeat a refused request with a fresh token, so there is nothing
    // to compare with.
    if (entry.retryOf) return;
    const mine = (sequence += 1);
    const account = (entry.body?.state ? entry.body : status())?.account ?? null;
    const { keyIds, instagram } = await observe(account);
    if (mine !== sequence) return;
    answer = naiveBackend({ token: entry.token, keyIds, instagram, account, now: entry.at });
    frontEnd = naiveFrontEnd(frontEnd, answer);
    showNaive();
  }

  function showHoldfast(entry) {
    const { retryOf } = entry;
    // A 304 has no body: it says that the one we hold is still the answer.
    const body = entry.status === 304 ? status() : entry.body;
    byId("side-holdfast").dataset.tone =
      entry.status === null || entry.status >= 400 ? "warning" : "good";
    say(byId("comparison-request"), `${entry.method} ${entry.path}`);
    say(byId("holdfast-answer"), statusLine(entry));
    say(byId("holdfast-because"), retryOf ? afterRefusal(entry) : explain(entry));
    say(byId("holdfast-body"), body ? print(body) : "");
    byId("holdfast-verdict").dataset.tone = "good";
    say(byId("holdfast-verdict"), "Still signed in");
  }

  function showNaive() {
    const side = byId("side-naive");
    side.dataset.tone = answer.status === 401 ? "bad" : "good";
    say(byId("naive-answer"), answer.status === 401 ? "401 Unauthorized" : "200 OK");
    say(byId("naive-because"), answer.because);
    say(byId("naive-body"), JSON.stringify(answer.body, null, 2));
    showVerdict();
    onVerdict();
  }

  function showVerdict() {
    const { signedIn, looping, requests } = frontEnd;
    const verdict = byId("naive-verdict");
    verdict.dataset.tone = signedIn ? "good" : "bad";
    if (signedIn) say(verdict, "Signed in");
    else if (looping)
      say(
        verdict,
        `Signed out, asking in a loop: ${requests} ${requests === 1 ? "request" : "requests"}`,
      );
    else say(verdict, `Signed out after ${requests} ${requests === 1 ? "request" : "requests"}`);
  }

  /** Its person signed in again. */
  function reset() {
    sequence += 1;
    frontEnd = FRONT_END;
    answer = null;
  }

  return { add, reset, frontEnd: () => frontEnd };
}

/** What the one fresh token after a refusal came to, in a sentence. */
const afterRefusal = ({ status, retryOf }) =>
  status === 401
    ? `The fresh token was refused too (${retryOf.says}). The page sends nothing more until somebody presses.`
    : `One refusal (${retryOf.says}), one fresh token, and this. Nobody noticed.`;

/** Why Holdfast's answer is what it is, in a sentence. */
function explain({ path, status }) {
  if (status === null) return "No answer. The page keeps what it knows and asks again later.";
  if (status === 503)
    return "It cannot judge the token right now, and says so. Cannot judge is not “no”.";
  if (status === 401) return "The token was refused. A fresh one follows at once.";
  if (status >= 400) return "Declined, with a code and a page that explains it.";
  if (path.endsWith("/check")) return "It asked Instagram, and keeps the truth in the body.";
  return "Read from storage. Instagram was not asked.";
}

const print = (body) =>
  JSON.stringify(
    Object.fromEntries(FIELDS.filter((name) => name in body).map((name) => [name, body[name]])),
    null,
    2,
  );
