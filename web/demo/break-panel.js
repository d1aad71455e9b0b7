/**
 * The "break it" panel: a button for each fault, pressed while it is true, and a sentence on what
 * came of it.
 */
import { describe } from "/client/states.js";
import { byId, h, onPress, say } from "./dom.js";
import { faultGroups } from "./faults.js";

const CONNECT_FIRST = "Connect an Instagram account first: this happens to an account.";

/**
 * @param {object} parts
 * @param {object} parts.controls what faults are applied with
 * @param {import("/client/holdfast-client.js").HoldfastClient} parts.client
 * @param {() => {signedIn: boolean, requests: number}} parts.naive the naive front end now
 * @param {() => Promise<unknown>} parts.mend
 */
export function createBreakPanel({ controls, client, naive, mend }) {
  const buttons = new Map();
  const account = () => client.getSnapshot().status?.account ?? null;
  let lead = "";
  /** Has anything been done here yet? Until then the sentence tells what was found. */
  let isIdle = true;

  byId("faults").replaceChildren(
    ...faultGroups.map(({ title, faults }) =>
      h(
        "section",
        { className: "fault-group" },
        h("h3", {}, title),
        h("ul", { className: "fault-list" }, ...faults.map((fault) => h("li", {}, button(fault)))),
      ),
    ),
  );
  onPress(byId("check-after"), checkNow);
  onPress(byId("check"), checkNow);
  onPress(byId("mend"), async () => {
    await mend();
    tell(
      account()
        ? "Mended. What Instagram has ended stays ended until the person reconnects."
        : "Mended.",
    );
  });

  function button(fault) {
    const element = h(
      "button",
      { type: "button", className: "fault", "aria-pressed": "false", "data-fault": fault.id },
      h("span", { className: "name" }, fault.label),
      h("span", { className: "does" }, fault.does),
    );
    buttons.set(fault.id, element);
    onPress(element, async () => {
      if (fault.needsAccount && !account()) return tell(CONNECT_FIRST);
      try {
        await fault.apply({ ...controls, accountId: account()?.id });
      } catch (error) {
        return tell(`That did not work. ${error.message}`);
      }
      await client.status().catch(() => {});
      const { status } = client.getSnapshot();
      const hasNotLooked = fault.needsAccount && status?.state === "connected";
      conclude(
        hasNotLooked ? `Done: ${fault.label}. Holdfast has yet to look.` : `Done: ${fault.label}.`,
      );
    });
    return element;
  }

  async function checkNow() {
    if (!account()) return tell(CONNECT_FIRST);
    const before = client.getSnapshot().status?.version;
    // What went wrong, if anything did, stands in the snapshot and is shown with the connection.
    await client.check().catch(() => {});
    const { status } = client.getSnapshot();
    const isAnyActive = [...buttons.values()].some(
      (each) => each.getAttribute("aria-pressed") === "true",
    );
    if (isAnyActive && status?.state === "connected" && status.version === before) {
      conclude(
        "Holdfast asks Instagram only so often about one account, and answered from storage.",
      );
    } else conclude("Checked.");
  }

  function tell(text) {
    isIdle = false;
    lead = "";
    say(byId("break-outcome"), text);
    bringIntoView();
  }

  /**
   * On a phone the sentence may be off the screen; a person who pressed in the other panel looks
   * there.
   */
  function bringIntoView() {
    const isHere = byId("break").contains(document.activeElement);
    if (isHere) byId("break-outcome").scrollIntoView({ block: "nearest" });
  }

  function conclude(text) {
    isIdle = false;
    lead = text;
    summarize();
    bringIntoView();
  }

  /**
   * Says where both sides stand; repeated when the naive side's answer is known, which takes a
   * moment longer.
   */
  function summarize() {
    if (!lead) return;
    const snapshot = client.getSnapshot();
    const says =
      snapshot.phase === "session-refused"
        ? "Holdfast refuses the token, and the page is quiet."
        : `Holdfast says “${describe(snapshot).title}”.`;
    const who = naive().signedIn
      ? "Nobody is signed out."
      : "Only the naive app signed its person out.";
    say(byId("break-outcome"), `${lead} ${says} ${who}`);
  }

  return {
    summarize,
    show(active) {
      const broken = [];
      for (const [id, element] of buttons) {
        const isActive = active.has(id);
        element.setAttribute("aria-pressed", String(isActive));
        if (isActive) broken.push(element.firstChild.textContent);
      }
      if (isIdle)
        say(
          byId("break-outcome"),
          broken.length ? `Broken now: ${broken.join(", ")}.` : "Nothing is broken.",
        );
    },
  };
}
