import { withCaller } from "holdfast-backend/next";
import { holdfast } from "../../holdfast.js";

export const GET = withCaller(
  holdfast,
  (_, { caller }) => Response.json({ user: caller?.userId ?? null }),
  { role: "admin" },
);
