/** Server-Sent Events out of a response body (the part of the format that the server uses). */
import { unreadableAnswer } from "./errors.js";

/** A line without end is not collected for ever. */
const LONGEST_EVENT = 65_536;

/**
 * The events of each chunk as it arrives; none where it was a heartbeat.
 * @param {ReadableStream<Uint8Array>} body
 * @param {<T>(read: () => Promise<T>) => Promise<T>} limit puts a time limit on a read
 */
export async function* eventsIn(body, limit) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let buffer = "";
  for (;;) {
    const { done, value } = await limit(() => reader.read());
    if (done) return;
    buffer += decoder.decode(value, { stream: true });
    const blocks = buffer.split(/\r?\n\r?\n/);
    buffer = blocks.pop() ?? "";
    if (buffer.length > LONGEST_EVENT) throw unreadableAnswer();
    yield blocks.map((block) => ({ event: fieldOf(block, "event"), data: fieldOf(block, "data") }));
  }
}

/**
 * @param {string} block
 * @param {string} name
 */
const fieldOf = (block, name) =>
  [...block.matchAll(new RegExp(`^${name}: ?(.*)`, "gm"))].map(([, value]) => value).join("");
