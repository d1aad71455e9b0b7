/**
 * Commands that do by hand what this page does. No token in them: the first one fetches one into
 * the shell.
 */
import { byId, h, onPress, say } from "./dom.js";

const commandsFor = ({ publicUrl, clerkUrl, sessionId }) => [
  [
    "A session token, as the browser gets one from Clerk",
    `TOKEN=$(curl -s -X POST -H 'Origin: ${publicUrl}' ${clerkUrl}/v1/client/sessions/${sessionId}/tokens | sed 's/.*"jwt" *: *"\\([^"]*\\)".*/\\1/')`,
  ],
  [
    "The status, from storage",
    `curl -i -H "Authorization: Bearer $TOKEN" ${publicUrl}/user/instagram/status`,
  ],
  [
    "Ask Instagram now",
    `curl -i -X POST -H "Authorization: Bearer $TOKEN" ${publicUrl}/user/instagram/check`,
  ],
  ["Without a token: the one reason for a 401", `curl -i ${publicUrl}/user/instagram/status`],
];

export function showCommands(facts) {
  byId("commands").replaceChildren(
    ...commandsFor(facts).map(([what, line]) => {
      const copy = h(
        "button",
        { type: "button", className: "secondary", "aria-label": `Copy: ${what}` },
        "Copy",
      );
      onPress(copy, async () => {
        await navigator.clipboard.writeText(line);
        say(copy, "Copied");
        say(byId("copied"), `Copied: ${what}`);
        setTimeout(() => say(copy, "Copy"), 2_000);
      });
      return h(
        "li",
        {},
        h("p", {}, what),
        h("pre", { tabIndex: 0, "aria-label": what }, h("code", {}, line)),
        copy,
      );
    }),
  );
}
