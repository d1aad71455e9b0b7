/** Holdfast for the app's backends. CommonJS, so that `require` and `import` both take it. */
"use strict";
const { createSend, webAddress } = require("./send.js");
const { createVerify } = require("./verify.js");
const { createVerifyAssertion } = require("./assertion.js");
const { createService, HoldfastError } = require("./service.js");
const { keysOf, verifyWebhook, WebhookError } = require("./webhook.js");

/** What Node's timers can wait; they fire at once for more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

function createHoldfast({
  url,
  serviceKey,
  assertionSecret,
  webhookSecret,
  issuer,
  audience,
  judgeEveryMethod,
  capacity = 10_000,
  timeout = 3_000,
  ...unknown
} = {}) {
  if (!url) throw new TypeError("createHoldfast needs url: where Holdfast answers");
  for (const name of Object.keys(unknown))
    throw new TypeError(`createHoldfast has no option "${name}"`);
  wholeNumber("timeout", timeout, 1, LONGEST_TIMEOUT_MS);
  wholeNumber("capacity", capacity, 0, Number.MAX_SAFE_INTEGER);
  if (![undefined, true, false].includes(judgeEveryMethod))
    throw new TypeError("judgeEveryMethod must be true or false");
  if (webhookSecret?.length) keysOf(trimmed(webhookSecret));
  const send = createSend(String(url).trim());
  return {
    verify: createVerify({ send, judgeEveryMethod, capacity, timeout }),
    verifyAssertion: createVerifyAssertion({
      secret: trimmed(assertionSecret),
      issuer: asWritten(webAddress("issuer", String(issuer ?? url).trim())),
      audience,
      judgeEveryMethod,
    }),
    verifyWebhook: (body, headers) => verifyWebhook(body, headers, trimmed(webhookSecret)),
    service: createService({ send, serviceKey: headerValue(trimmed(serviceKey)) }),
  };
}

/**
 * Values from files and variables end in line ends and blanks. Holdfast takes them off its own, the
 * same secrets.
 */
const trimmed = (secret) => (Array.isArray(secret) ? secret.map(trimmed) : secret?.trim());

/** Variables of the environment are text: it is said here, and not with the first request. */
function wholeNumber(name, value, least, most) {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const given = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw new TypeError(`${name} must be a whole number from ${least} to ${most}, and is ${given}`);
}

/** Not quoted where it is wrong: errors are logged, and this is a secret. */
function headerValue(key) {
  if (key && !/^[!-~]+$/.test(key))
    throw new TypeError("serviceKey has characters that no header can hold");
  return key;
}

/** An address as Holdfast writes it in assertions, however `HOLDFAST_PUBLIC_URL` was written. */
function asWritten({ origin, pathname }) {
  return origin + pathname.replace(/\/+$/, "");
}

exports.createHoldfast = createHoldfast;
exports.HoldfastError = HoldfastError;
exports.WebhookError = WebhookError;
