import type { Caller, Holdfast, WrapperOptions } from "./index.js";

type Asked<O> = O extends { credentials: "optional" } ? Caller | null : Caller;

/**
 * Calls `handler(request, context)` with `context.caller`, or answers. For route handlers on the
 * Node runtime. Exported as `OPTIONS`, the handler has no caller, unless Holdfast has
 * `judgeEveryMethod`.
 */
export declare function withCaller<
  R extends Request,
  C extends object,
  const O extends WrapperOptions = {},
>(
  holdfast: Pick<Holdfast, "verify" | "verifyAssertion">,
  handler: (request: R, context: C & { caller: Asked<O> }) => Response | Promise<Response>,
  options?: O,
): (request: R, context: Omit<C, "caller">) => Promise<Response>;
