/**
 * A fresh app in a folder of its own, with the packed client installed, against the real
 * `holdfast dev`.
 */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const CLIENT = fileURLToPath(new URL("../../../clients/js", import.meta.url));

/**
 * Everything but the client is found in the folder above.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} files
 */
export async function freshApp(t, files) {
  const app = await mkdtemp(join(HERE, ".test-"));
  t.after(() => rm(app, { recursive: true, force: true, maxRetries: 5 }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(app, path)), { recursive: true });
    await writeFile(join(app, path), content);
  }
  const run = (command, ...args) =>
    execFileSync(command, args, { cwd: app, encoding: "utf8" }).trim();
  const packed = run("npm", "pack", "--silent", CLIENT);
  await mkdir(join(app, "node_modules/holdfast-client"), { recursive: true });
  run("tar", "xzf", packed, "--strip-components=1", "-C", "node_modules/holdfast-client");
  return app;
}

/** The place of a sign-in library: real session tokens of the stand-in for Clerk, as Ada. */
export const signIn = (clerk) => `
const CLERK = ${JSON.stringify(clerk)};
const post = async (path, body = {}) =>
  (await fetch(CLERK + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json();
export const session = { id: null };
export async function enter() {
  const kept = sessionStorage.getItem("session");
  session.id = kept ?? (await post("/v1/dev/sign-in", { user: "ada" })).session_id;
  sessionStorage.setItem("session", session.id);
}
export const getToken = async () =>
  session.id ? (await post(\`/v1/client/sessions/\${session.id}/tokens\`)).jwt : null;
`;

/** What the README takes from Clerk's package; it loads late, as Clerk does. */
export const clerk = `
import { useEffect, useState } from "react";
import { enter, getToken, session } from "./sign-in.js";

export const ClerkProvider = ({ children }) => children;
export const SignInButton = () => null;

export function useAuth() {
  const [isLoaded, setLoaded] = useState(false);
  useEffect(() => void enter().then(() => setLoaded(true)), []);
  return { isLoaded, isSignedIn: isLoaded, sessionId: session.id, getToken };
}
`;

/** At Instagram; the browser goes back to where it came from. */
export async function approve(page, origin) {
  await page.waitForURL(/\/oauth\/authorize/);
  await page.getByText("ada.makes").first().click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.waitForURL((url) => url.origin === origin);
}

/** Sign in, connect, revoked at Instagram, reconnect: what a person sees and does. */
export async function mainPath(page, { home, holdfast }) {
  const origin = new URL(home).origin;
  const shows = (text) => page.getByText(text).first().waitFor();
  await page.goto(home);
  await shows("Not connected");
  await page.getByRole("button", { name: "Connect Instagram" }).click();
  await approve(page, origin);
  await shows(/^Connected$/);
  await holdfast.deauthorize("ada.makes");
  await shows("Reconnect needed");
  await page.getByRole("button", { name: "Reconnect" }).click();
  await approve(page, origin);
  await shows(/^Connected$/);
}
