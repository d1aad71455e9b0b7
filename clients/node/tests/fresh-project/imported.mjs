import { createHoldfast, HoldfastError, WebhookError } from "holdfast-backend";
import { requireCaller as forFastify } from "holdfast-backend/fastify";
import { requireCaller as forHono } from "holdfast-backend/hono";
import { withCaller } from "holdfast-backend/next";

const holdfast = createHoldfast({ url: "http://127.0.0.1:1", serviceKey: "hf_sk_x" });
forFastify(holdfast);
forHono(holdfast);
const GET = withCaller(holdfast, () => new Response());
// Nobody answers there: 503, and never a 401.
const answer = await GET(
  new Request("http://localhost/", { headers: { authorization: "Bearer x" } }),
);
if (answer.status !== 503 || !answer.headers.get("retry-after"))
  throw new Error(`answered ${answer.status}`);
const error = await holdfast.service.status("user_1").catch((error) => error);
if (!(error instanceof HoldfastError) || error.code !== "holdfast-unreachable") throw error;
if (!WebhookError) throw new Error("WebhookError is not exported");
