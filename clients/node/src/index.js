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
  const send = createSend(url);
  return {
    verify: createVerify({ send, judgeEveryMethod, capacity, timeout }),
    verifyAssertion: createVerifyAssertion({
      secret: assertionSecret,
      issuer: asWritten(issuer ?? url),
      audience,
      judgeEveryMethod,
    }),
    verifyWebhook: (body, headers) => verifyWebhook(body, headers, webhookSecret),
    service: createService({ send, serviceKey }),
  };
}

/** An address as Holdfast writes it in assertions, however `HOLDFAST_PUBLIC_URL` was written. */
function asWritten(address) {
  const { origin, pathname } = new URL(address);
  return origin + pathname.replace(/\/+$/, "");
}

exports.createHoldfast = createHoldfast;
exports.HoldfastError = HoldfastError;
exports.WebhookError = WebhookError;
