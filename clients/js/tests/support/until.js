/** Waiting for what is to come true, instead of for time. */

/** Not a limit on the machine, which may be busy: what has not come by then never comes. */
const GIVE_UP_AFTER_MS = 60_000;

/** Waits in real time until `condition` holds, and gives what it found. */
export async function until(condition, what = "condition") {
  for (const deadline = Date.now() + GIVE_UP_AFTER_MS; Date.now() < deadline;) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not come true within ${GIVE_UP_AFTER_MS} ms`);
}
