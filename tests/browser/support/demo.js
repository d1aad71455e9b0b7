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
export const checkButton = (page) => page.getByRole("region", { name: "Break it" }).getByRole("button", { name: "Check now" });
export const faultButton = (page, label) => page.locator(".fault", { has: page.getByText(label, { exact: true }) });

/** Goes to Instagram's consent page by the button of the connection. */
export async function leaveForInstagram(page) {
  await connectButton(page).click();
  await page.waitForURL(/\/oauth\/authorize/);
}

export const consent = {
  allow: (page) => page.getByRole("button", { name: "Allow", exact: true }),
  deny: (page) => page.getByRole("button", { name: "Cancel", exact: true }),
  /** The tick box of an optional permission. */
  permission: (page) => page.getByRole("checkbox").and(page.locator(":enabled")).last(),
};

export async function connect(page) {
  await leaveForInstagram(page);
  await consent.allow(page).click();
  await expectState(page, "connected");
}

/** What stands on each side of the comparison, once both stand there. */
export async function comparison(page) {
  const side = async (id) => ({
    answer: await page.locator(`#${id}-answer`).textContent(),
    verdict: await page.locator(`#${id}-verdict`).textContent(),
  });
  return { holdfast: await side("holdfast"), naive: await side("naive") };
}

/** The rows of the request log, newest first: `["POST /auth/sync", "200 OK", …]`. */
export async function loggedRequests(page) {
  const rows = await page.locator("#log tr").all();
  return Promise.all(rows.map((row) => row.locator("td").allTextContents()));
}

/** No token of any kind stands anywhere in the document, nor in the address or what the tab stores. */
export async function assertNoTokenIsShown(page) {
  const everything = await page.evaluate(() => [
    document.documentElement.outerHTML,
    location.href,
    ...Object.values({ ...sessionStorage }),
    ...Object.values({ ...localStorage }),
  ].join("\n"));
  assert.doesNotMatch(everything, /eyJ[\w-]{8,}\.|IGAA|completion=/);
}
