/** Holdfast's events, in the form of Standard Webhooks (https://www.standardwebhooks.com/). */
"use strict";
const { createHmac, timingSafeEqual } = require("node:crypto");

const TOLERANCE_S = 5 * 60;

class WebhookError extends Error {
  name = "WebhookError";
  /** Express and Fastify answer with it: the mistake is the sender's. */
  status = 400;
  /** The same for Nest. */
  statusCode = 400;
}

/**
 * The event, once its signature and its time have been checked; throws a `WebhookError` otherwise.
 *
 * @param {string | Uint8Array} body The body's bytes as they arrived, not parsed and written again.
 */
function verifyWebhook(body, headers, secret, { now = Date.now } = {}) {
  if (typeof body !== "string" && !(body instanceof Uint8Array))
    throw new WebhookError(
      "there is no body, or it was parsed: the bytes as they arrived are needed",
    );
  const header = (name) =>
    (typeof headers.get === "function" ? headers.get(name) : headers[name]) ?? "";
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(
    header,
  );
  if (!id || !/^\d+$/.test(timestamp))
    throw new WebhookError("webhook-id or webhook-timestamp is missing");
  if (Math.abs(now() / 1000 - Number(timestamp)) > TOLERANCE_S) {
    throw new WebhookError("the event is more than five minutes old, or this clock is wrong");
  }
  const keys = keysOf(secret);
  const isSigned = signatures.split(" ").some((each) => {
    const given = Buffer.from(each.replace(/^v1,/, ""), "base64");
    return (
      each.startsWith("v1,") &&
      keys.some((key) => {
        const expected = createHmac("sha256", key)
          .update(`${id}.${timestamp}.`)
          .update(body)
          .digest();
        return given.length === expected.length && timingSafeEqual(given, expected);
      })
    );
  });
  if (!isSigned) throw new WebhookError("no signature fits the secret");
  return read(body);
}

function read(body) {
  try {
    return JSON.parse(typeof body === "string" ? body : Buffer.from(body).toString());
  } catch {
    throw new WebhookError("the event is not JSON");
  }
}

const keysOf = (secret) => [secret].flat().map(keyOf);

function keyOf(secret) {
  const key = Buffer.from(/^whsec_(.+)$/.exec(secret ?? "")?.[1] ?? "", "base64");
  if (key.length === 0) throw new TypeError("the webhook secret must be whsec_ and base64");
  return key;
}

module.exports = { keysOf, verifyWebhook, WebhookError };
