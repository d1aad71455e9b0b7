import type { IncomingMessage, ServerResponse } from "node:http";
import type { Caller, Holdfast, WrapperOptions } from "./index.js";

/**
 * Sets `request.caller`, or answers. Put your `cors()` before it: a refusal then carries its
 * headers.
 */
export declare function requireCaller(
  holdfast: Pick<Holdfast, "verify" | "verifyAssertion">,
  options?: WrapperOptions,
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

declare global {
  namespace Express {
    interface Request {
      /**
       * Set by `requireCaller`. Null only for OPTIONS (see `judgeEveryMethod`), and for nobody
       * where credentials are optional.
       */
      caller?: Caller | null;
    }
  }
}
