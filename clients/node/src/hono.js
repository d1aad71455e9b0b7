/** Hono: `app.use("/api/*", requireCaller(holdfast))`. */
"use strict";
const { judgeOf } = require("./judge.js");

/** Sets the variable `caller`, or answers. Put `cors()` before it. */
function requireCaller(holdfast, options) {
  const judge = judgeOf(holdfast, options);
  return async (context, next) => {
    // On Node the request as it arrived still shows whether a header came twice.
    const verdict = await judge(context.env?.incoming ?? context.req.raw);
    if (!verdict.ok) return context.body(verdict.body, verdict.status, verdict.headers);
    context.set("caller", verdict.caller);
    await next();
  };
}

exports.requireCaller = requireCaller;
