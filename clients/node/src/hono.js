/** Hono: `app.use("/api/*", requireCaller(holdfast))`. */
"use strict";
const { judge } = require("./express.js");

/** Sets the variable `caller`, or answers. Put `cors()` before it. */
function requireCaller(holdfast, options) {
  return async (context, next) => {
    // On Node the request as it arrived still shows whether a header came twice.
    const verdict = await judge(holdfast, context.env?.incoming ?? context.req.raw, options);
    if (!verdict.ok) return context.body(verdict.body, verdict.status, verdict.headers);
    context.set("caller", verdict.caller);
    await next();
  };
}

exports.requireCaller = requireCaller;
