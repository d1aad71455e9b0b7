/** Server-Sent Events out of a response body (the part of the format that the server uses). */
import { unreadableAnswer } from "./errors.js";
import { LONGEST_EVENT } from "./limits.js";
import { valueIn } from "./problem.js";

/**
 * Gives, for each chunk as it arrives, what the notices say that it completes; none for a
 * heartbeat.
 */
export function createNoticeReader() {
  const decoder = new TextDecoder();
  let buffer = "";
  return (/** @type {Uint8Array | undefined} */ chunk) => {
    buffer += decoder.decode(chunk, { stream: true });
    const events = buffer.split(/\r?\n\r?\n/);
    buffer = /** @type {string} */ (events.pop());
    if (buffer.length > LONGEST_EVENT) throw unreadableAnswer();
    return events
      .filter((event) => /^event: ?instagram\.status$/m.test(event))
      .map((event) => valueIn(event.match(/^data: ?(.*)/m)?.[1]));
  };
}
