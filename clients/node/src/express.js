/** Express 4 and 5, and whatever else takes `(request, response, next)`. */
"use strict";
const { readRequirements } = require("./requirements.js");

/**
 * Sets `request.caller`, or answers. Put your `cors()` before it: a refusal then carries its
 * headers.
 */
function requireCaller(holdfast, options) {
  const judge = judgeOf(holdfast, options);
  return (request, response, next) => {
    judge(request)
      .then((verdict) => {
        if (verdict.ok) {
          request.caller = verdict.caller;
          return next();
        }
        // Something else has answered meanwhile, a time limit for example.
        if (response.headersSent) return;
        response.statusCode = verdict.status;
        for (const [name, value] of Object.entries(verdict.headers))
          response.setHeader(name, value);
        response.end(request.method === "HEAD" ? undefined : verdict.body);
      })
      .catch(next);
  };
}

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

module.exports = { requireCaller, judgeOf };
