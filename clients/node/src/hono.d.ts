import type { MiddlewareHandler } from "hono";
import type { Caller, Holdfast, WrapperOptions } from "./index.js";

/** Sets the variable `caller`, or answers. Put `cors()` before it. */
export declare function requireCaller(
  holdfast: Pick<Holdfast, "verify" | "verifyAssertion">,
  options?: WrapperOptions,
): MiddlewareHandler<{ Variables: { caller: Caller | null } }>;
