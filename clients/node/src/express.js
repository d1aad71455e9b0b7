/** Express 4 and 5, and whatever else takes `(request, response, next)`. */
"use strict";
const { judgeOf } = require("./judge.js");

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

exports.requireCaller = requireCaller;
