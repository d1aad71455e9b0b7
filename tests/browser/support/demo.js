/** The demo page and the consent page, as a person sees them. */
import assert from "node:assert/strict";

/** Waits until the connection is shown in that state; resolves to the panel. */
export async function expectState(page, state) {
  const panel = page.locator(`#connection[data-state="${state}"]`);
  await panel.waitFor();
  return panel;
}

export async function signInAs(page, name) {
  await page.getByRole("button", { name: new RegExp(name) }).click();
  await expectSignedInAs(page, name);
}

export async function expectSignedInAs(page, name) {
  await page.getByText(`Signed in as ${name}`).waitFor();
}

export const connectButton = (page) => page.locator("#connect");
export const checkButton = (page) =>
  page.getByRole("region", { name: "Break it" }).getByRole("button", { name: "Check now" });
export const faultButton = (page, label) =>
  page.locator(".fault", { has: page.getByText(label, { exact: true }) });

/** Goes to Instagram's consent page by the button of the connection. */
export async function leaveForInstagram(page) {
  await connectButton(page).click();
  await page.waitForURL(/\/oauth\/authorize/);
}

/** The parts of the consent page. */
export const consent = {
  approve: (page) => page.getByRole("button", { name: "Approve" }),
  deny: (page) => page.getByRole("button", { name: "Deny" }),
  account: (page, handle) => page.getByRole("radio", { name: handle }),
  /** The tick boxes of the permissions that a person may leave out. */
  permissions: (page) => page.getByRole("checkbox", { disabled: false }),
};

/** Links the account of that handle, and comes back connected. */
export async function connect(page, handle) {
  await leaveForInstagram(page);
  await consent.account(page, handle).check();
  await consent.approve(page).click();
  await expectState(page, "connected");
}

/** What stands on each side of the comparison, once both stand there. */
export async function comparison(page) {
  await page.locator("#naive-answer").waitFor();
  return page.evaluate(() => {
    const textOf = (id) => document.getElementById(id).textContent;
    const side = (id) => ({ answer: textOf(`${id}-answer`), verdict: textOf(`${id}-verdict`) });
    return { holdfast: side("holdfast"), naive: side("naive") };
  });
}

/** The rows of the request log, newest first: `["POST /auth/sync", "200 OK", …]`. */
export async function loggedRequests(page) {
  return page
    .locator("#log tr")
    .evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
}

/**
 * No token of any kind stands anywhere in the document, nor in the address or what the tab stores.
 */
export async function assertNoTokenIsShown(page) {
  const everything = await page.evaluate(() =>
    [
      document.documentElement.outerHTML,
      location.href,
      ...Object.values({ ...sessionStorage }),
      ...Object.values({ ...localStorage }),
    ].join("\n"),
  );
  assert.doesNotMatch(everything, /eyJ[\w-]{8,}\.|IGAA|completion=/);
}
