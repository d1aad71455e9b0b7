/** Compiles where the declarations fit how the package is used; nothing here runs. */
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { createHoldfast, HoldfastError, type Caller, type HoldfastEvent } from "holdfast-backend";
import * as forExpress from "holdfast-backend/express";
import * as forFastify from "holdfast-backend/fastify";
import * as forHono from "holdfast-backend/hono";
import { withCaller } from "holdfast-backend/next";

// As the README has it: a variable of the environment may be missing.
const holdfast = createHoldfast({
  url: "http://127.0.0.1:8080",
  serviceKey: process.env["HOLDFAST_SERVICE_KEY"],
});

express()
  .use(forExpress.requireCaller(holdfast, { role: ["admin", "owner"] }))
  .get("/", (request, response) => void response.json({ user: request.caller?.userId }));

// The README's `!`, in a handler of one method.
const routes = express();
routes.use("/api", forExpress.requireCaller(holdfast));
routes.get("/api/posts", (request, response) => {
  response.json({ for: request.caller!.userId });
  // @ts-expect-error OPTIONS, and nobody where credentials are optional, have no caller.
  response.json({ for: request.caller.userId });
});

void (async (userId: string) => {
  const { next } = await holdfast.service.history(userId);
  await holdfast.service.history(userId, { cursor: next, limit: 20 });
});

fastify()
  .addHook("onRequest", forFastify.requireCaller(holdfast, { behindProxy: true }))
  .get("/", async (request) => ({ user: request.caller?.userId }));

fastify({ http2: true }).get(
  "/",
  { onRequest: forFastify.requireCaller(holdfast) },
  async (request) => ({ user: request.caller?.userId }),
);

new Hono()
  .use(forHono.requireCaller(holdfast, { credentials: "optional" }))
  .get("/", (context) => context.json({ user: context.get("caller")?.userId }));

// The README's form: routes that are not chained.
const app = new Hono();
app.use(forHono.requireCaller(holdfast));
app.get("/", (context) => context.json({ user: context.get("caller")?.userId }));

export const GET = withCaller(holdfast, (_request, { caller }) =>
  Response.json({ user: caller.userId }),
);
// As Next's own check of a dynamic route calls it.
export const DELETE: (request: Request, context: { params: Promise<{ id: string }> }) => unknown =
  withCaller(
    holdfast,
    async (_: Request, { caller, params }: { caller: Caller; params: Promise<{ id: string }> }) =>
      Response.json({ user: caller.userId, post: (await params).id }),
  );
// @ts-expect-error Where credentials are optional there may be nobody.
export const POST = withCaller(holdfast, (_, { caller }) => Response.json(caller.userId), {
  credentials: "optional",
});

export async function use(request: Request): Promise<Caller | null | undefined> {
  const verdict = await holdfast.verify(request, { org: "any", permission: "org:invoices:read" });
  if (!verdict.ok) {
    const _code: string = verdict.problem.code;
    return undefined;
  }
  try {
    for (let cursor: string | null | undefined; cursor !== null;)
      cursor = (await holdfast.service.connections({ cursor })).next;
    const status = await holdfast.service.status("user_1");
    if (status.state === "reconnect_required") return verdict.caller;
    // @ts-expect-error There is no such state.
    if (status.state === "lost") return null;
  } catch (error) {
    if (error instanceof HoldfastError && error.reason === "revoked") return null;
    if (error instanceof HoldfastError && error.action === "look_first") return null;
    // @ts-expect-error There is no such action.
    if (error instanceof HoldfastError && error.action === "wait") return null;
  }
  return verdict.caller;
}

export function told(event: HoldfastEvent): string {
  // @ts-expect-error An incident has no status.
  const _state = event.data.status;
  switch (event.type) {
    case "instagram.status":
    case "instagram.expiring_soon":
      return `${event.data.user_id} ${event.data.status.state}`;
    case "incident.began":
    case "incident.ended":
      return event.data.provider;
  }
}
