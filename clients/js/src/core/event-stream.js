/** Server-Sent Events out of a response body (the part of the format that the server uses). */
import { unreadableAnswer } from "./errors.js";
import { LONGEST_EVENT } from "./limits.js";

/**
 * The data of the notices in each chunk as it arrives; none where it was a heartbeat.
 * @param {() => Promise<ReadableStreamReadResult<Uint8Array>>} read
 */
export async function* noticesIn(read) {
  const decoder = new TextDecoder();
  let buffer = "";
  for (;;) {
    const { done, value } = await read();
    if (done) return;
    buffer += decoder.decode(value, { stream: true });
    const events = buffer.split(/\r?\n\r?\n/);
    buffer = events.pop() ?? "";
    if (buffer.length > LONGEST_EVENT) throw unreadableAnswer();
    yield events
      .filter((event) => /^event: ?instagram\.status$/m.test(event))
      .map((event) => event.match(/^data: ?(.*)/m)?.[1] ?? "");
  }
}
