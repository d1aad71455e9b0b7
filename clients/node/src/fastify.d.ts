import type {} from "fastify";
import type { AnyRequest, Caller, Holdfast, WrapperOptions } from "./index.js";

/**
 * An `onRequest` hook that sets `request.caller`, or answers. Register `@fastify/cors` before it.
 */
export declare function requireCaller(
  holdfast: Pick<Holdfast, "verify" | "verifyAssertion">,
  options?: WrapperOptions,
): (request: { raw: AnyRequest }, reply: object) => Promise<unknown>;

declare module "fastify" {
  interface FastifyRequest {
    /**
     * Set by `requireCaller`. Null only for OPTIONS (see `judgeEveryMethod`), and for nobody where
     * credentials are optional.
     */
    caller?: Caller | null;
  }
}
