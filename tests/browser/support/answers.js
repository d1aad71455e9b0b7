const POLL_EVERY_MS = 50;

/**
 * Waits until the address answers with success, and resolves to that answer. Fails where the
 * program ends before, or after `withinMs`.
 *
 * @param {string} url
 * @param {import("node:child_process").ChildProcess} child the program that is to answer
 */
export async function answers(url, child, withinMs = 60_000) {
  for (const giveUpAt = Date.now() + withinMs; Date.now() < giveUpAt;) {
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    const response = await fetch(url).catch(() => null);
    if (response?.ok) return response;
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS));
  }
  throw new Error(`${url} does not answer`);
}
