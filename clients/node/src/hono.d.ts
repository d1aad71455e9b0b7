import type { MiddlewareHandler } from "hono";
import type { Caller, Holdfast, WrapperOptions } from "./index.js";

declare module "hono" {
  interface ContextVariableMap {
    /**
     * Set by `requireCaller`. Null only for OPTIONS (see `judgeEveryMethod`), and for nobody where
     * credentials are optional.
     */
    caller: Caller | null;
  }
}

/** Sets the variable `caller`, or answers. Put `cors()` before it. */
export declare function requireCaller(
  holdfast: Pick<Holdfast, "verify" | "verifyAssertion">,
  options?: WrapperOptions,
): MiddlewareHandler<{ Variables: { caller: Caller | null } }>;
