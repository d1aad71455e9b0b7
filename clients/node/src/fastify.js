/**
 * Fastify: `app.addHook("onRequest", requireCaller(holdfast))`, for all routes or in one route's
 * options.
 */
"use strict";
const { judgeOf } = require("./judge.js");

/** Sets `request.caller`, or answers. Register `@fastify/cors` before it. */
function requireCaller(holdfast, options) {
  const judge = judgeOf(holdfast, options);
  return async (request, reply) => {
    const verdict = await judge(request.raw);
    if (!verdict.ok) return reply.code(verdict.status).headers(verdict.headers).send(verdict.body);
    request.caller = verdict.caller;
  };
}

exports.requireCaller = requireCaller;
