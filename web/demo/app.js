/** Puts the page together: session, client, the stand-ins' controls, views. */
import { createHoldfastClient } from "/client/holdfast-client.js";
import { describe } from "/client/states.js";
import { createBreakPanel } from "./break-panel.js";
import { createComparison } from "./comparison.js";
import { showCommands } from "./curl.js";
import { byId, complain, h, onPress, say, sayOrHide, UNREACHABLE } from "./dom.js";
import { activeFaults } from "./faults.js";
import { createLogView, recordingFetch } from "./request-log.js";
import { createSession, people } from "./session.js";
import { createClerkControls, createInstagramControls } from "./standins.js";
import { createStatusView } from "./status-view.js";
import { createTime } from "./time.js";

/** "2 minutes ago" must not stay so for long. */
const RENDER_EVERY_MS = 15_000;

const NEXT_STEPS = {
  not_connected:
    "You will see a consent page, as Instagram shows it: allow, leave out a permission, or decline.",
  connected: "Now break something, and watch who gets signed out.",
  reconnect_required: "The app asks for the one thing that helps. Everything else goes on working.",
  action_required:
    "To do what the person would do at Instagram, press “Mend everything”, then check again.",
  degraded: "Not the person's problem, so the app does not make it theirs.",
};

const OUTCOMES = {
  denied: "You declined at Instagram. Nothing was changed.",
  failed: "Instagram did not go along with it. Nothing was changed.",
  expired: "That took more than ten minutes. Nothing was changed.",
};

async function main() {
  const config = await fetch("/dev/config.json").then((response) => response.json());
  say(byId("version"), config.version);

  const clerk = createClerkControls(config.clerk_url, () => time.aheadSeconds());
  const instagram = createInstagramControls(config.instagram_url);
  const session = createSession(config.clerk_url, () => {
    client.sessionChanged(); // before anybody asks in the new name
    showSession();
  });
  const log = createLogView({ body: byId("log"), tally: byId("tally") });
  const client = createHoldfastClient({
    baseUrl: location.origin,
    getToken: session.getToken,
    getSessionId: () => session.current()?.id,
    navigate: (url) => location.assign(asOneself(url, session.person())),
    fetch: recordingFetch((entry) => {
      log(entry);
      comparison.add(entry);
    }),
  });
  const account = () => client.getSnapshot().status?.account ?? null;
  const comparison = createComparison({
    observe,
    status: () => client.getSnapshot().status,
    onVerdict: () => breakPanel.summarize(),
  });
  const breakPanel = createBreakPanel({
    controls: { clerk, instagram, session },
    client,
    naive: comparison.frontEnd,
    mend,
  });
  const time = createTime({
    onMove: session.dropToken,
    look: () => client.retry().catch(() => {}),
  });
  await time.start();
  const showStatus = createStatusView([location.origin, config.instagram_url], time.now);
  let unsubscribe = null;

  /** What the stand-ins answer at this moment. */
  async function observe(linked) {
    const [keyIds, skewSeconds, answer] = await Promise.all([
      clerk.keyIds(),
      clerk.skewSeconds(),
      linked && instagram.preview(linked.id),
    ]);
    breakPanel.show(activeFaults({ keyIds, skewSeconds, instagram: answer }));
    return { keyIds, instagram: answer };
  }

  async function mend() {
    await Promise.all([clerk.mend(), instagram.mend()]);
    session.dropToken();
    comparison.reset();
    await client.retry().catch(() => {});
  }

  function render(snapshot = client.getSnapshot()) {
    showStatus(snapshot);
    say(byId("next-step"), NEXT_STEPS[snapshot.phase === "ready" && snapshot.status.state]);
    showSteps(session.current() ? (snapshot.status?.account ? 3 : 2) : 1);
  }

  function showSession() {
    const person = session.person();
    document.body.classList.toggle("is-working", Boolean(person));
    byId("sign-in").hidden = Boolean(person);
    byId("workbench").hidden = byId("session").hidden = !person;
    for (const link of document.querySelectorAll(".to-workbench")) link.hidden = !person;
    say(byId("session-name"), person && `Signed in as ${person.name}`);
    if (person) {
      showCommands({
        publicUrl: config.public_url,
        clerkUrl: config.clerk_url,
        sessionId: session.current().id,
      });
      unsubscribe ??= client.subscribe(render);
    } else {
      unsubscribe?.();
      unsubscribe = null;
    }
    render();
  }

  byId("people").replaceChildren(
    ...people.map(({ user, name, about }) => {
      const card = h(
        "button",
        { type: "button", "data-user": user },
        h("span", { className: "initial", "aria-hidden": "true" }, name.slice(0, 1)),
        h("span", {}, h("strong", {}, name), h("small", {}, about)),
        h("span", { className: "go" }, "Sign in"),
      );
      onPress(card, async () => {
        await session.signIn(user);
        comparison.reset();
        client.sync();
        focusOn("connection-title");
      });
      return h("li", {}, card);
    }),
  );
  onPress(byId("sign-out"), () => {
    session.signOut();
    focusOn("sign-in-title");
  });
  onPress(byId("connect"), async () => {
    byId("notice").hidden = true;
    const { press } = describe(client.getSnapshot());
    // Failures are shown with the connection, from the snapshot.
    if (press === "check") byId("check").click();
    else await (press === "retry" ? client.retry() : client.connect()).catch(() => {});
  });
  onPress(byId("another"), () =>
    client.connect({ forceReauth: true, expect: "any_account" }).catch(() => {}),
  );
  onPress(byId("disconnect"), () => client.disconnect().catch(() => {}));
  setInterval(render, RENDER_EVERY_MS);

  const returned = client.completeFromUrl();
  showSession();
  if (session.current()) client.sync();
  const outcome = await returned.catch(() => null);
  if (!outcome) return;
  // For the comparison, too: what the page asks from now on.
  await client.status().catch(() => {});
  // A status without a connection says so by itself.
  if (account()) sayOrHide(byId("notice"), OUTCOMES[outcome.outcome]);
}

function showSteps(current) {
  for (const number of [1, 2, 3]) {
    const step = byId(`step-${number}`);
    step.toggleAttribute("data-done", number < current);
    if (number === current) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  }
}

/**
 * Instagram's page with the person's own account chosen, so that a reader of the demo need not know
 * which account is whose.
 */
function asOneself(url, person) {
  const address = new URL(url);
  if (person) address.searchParams.set("login_hint", person.handle);
  return address.href;
}

/** What had the focus has gone: it moves on to the heading of what has come. */
function focusOn(id) {
  const heading = byId(id);
  heading.tabIndex = -1;
  heading.focus();
}

main().catch(() => complain(UNREACHABLE));
