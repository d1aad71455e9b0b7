/** Holdfast for the app's backends. CommonJS, so that `require` and `import` both take it. */
"use strict";
const { createSend } = require("./send.js");
const { createVerify } = require("./verify.js");
const { createVerifyAssertion } = require("./assertion.js");
const { createService, HoldfastError } = require("./service.js");
const { verifyWebhook, WebhookError } = require("./webhook.js");

function createHoldfast({
  url,
  serviceKey,
  assertionSecret,
  webhookSecret,
  issuer,
  audience,
  judgeEveryMethod,
  capacity,
  timeout,
}) {
  if (!url) throw new TypeError("createHoldfast needs url: where Holdfast answers");
  const send = createSend(String(url).trim());
  return {
    verify: createVerify({ send, judgeEveryMethod, capacity, timeout }),
    verifyAssertion: createVerifyAssertion({
      secret: trimmed(assertionSecret),
      issuer: asWritten(issuer ?? url),
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

/** Not quoted where it is wrong: errors are logged, and this is a secret. */
function headerValue(key) {
  if (key && !/^[!-~]+$/.test(key))
    throw new TypeError("serviceKey has characters that no header can hold");
  return key;
}

/** An address as Holdfast writes it in assertions, however `HOLDFAST_PUBLIC_URL` was written. */
function asWritten(address) {
  const { origin, pathname } = new URL(address);
  return origin + pathname.replace(/\/+$/, "");
}

exports.createHoldfast = createHoldfast;
exports.HoldfastError = HoldfastError;
exports.WebhookError = WebhookError;
