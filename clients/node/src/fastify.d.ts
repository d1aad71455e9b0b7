import type { FastifyReply, FastifyRequest } from "fastify";
import type { Caller, Holdfast, WrapperOptions } from "./index.js";

/** An `onRequest` hook that sets `request.caller`, or answers. Register `@fastify/cors` before it. */
export declare function requireCaller(
  holdfast: Pick<Holdfast, "verify" | "verifyAssertion">,
  options?: WrapperOptions,
): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

declare module "fastify" {
  interface FastifyRequest {
    /**
     * Set by `requireCaller`. Null only for OPTIONS (see `judgeEveryMethod`), and for nobody where
     * credentials are optional.
     */
    caller?: Caller | null;
  }
}
