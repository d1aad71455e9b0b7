/** What the wrappers for all frameworks do alike. */
"use strict";
const { readRequirements } = require("./requirements.js");

/**
 * Asks Holdfast, or reads what a proxy was told by it. Mistaken options throw here, when the app
 * starts.
 */
function judgeOf(holdfast, { behindProxy = false, ...requirements } = {}) {
  readRequirements(requirements);
  if (behindProxy) holdfast.verifyAssertion({ headers: {} }, requirements); // is there a secret?
  return async (request) =>
    behindProxy
      ? holdfast.verifyAssertion(request, requirements)
      : holdfast.verify(request, requirements);
}

exports.judgeOf = judgeOf;
