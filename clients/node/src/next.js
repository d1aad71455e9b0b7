/** Next route handlers, on the Node runtime: `export const GET = withCaller(holdfast, handler)`. */
"use strict";
const { judgeOf } = require("./judge.js");

/** Calls `handler(request, context)` with `context.caller`, or answers. */
function withCaller(holdfast, handler, options) {
  const judge = judgeOf(holdfast, options);
  return async (request, context = {}) => {
    const verdict = await judge(request);
    if (!verdict.ok)
      return new Response(verdict.body, { status: verdict.status, headers: verdict.headers });
    return handler(request, { ...context, caller: verdict.caller });
  };
}

exports.withCaller = withCaller;
