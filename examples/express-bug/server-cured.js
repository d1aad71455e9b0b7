/** The second way out: the same backend, whose every route asks Holdfast who is calling. */
import express from "express";
import { createHoldfast } from "holdfast-backend";
import { requireCaller } from "holdfast-backend/express";

const { HOLDFAST_URL, HOLDFAST_SERVICE_KEY, PORT = "3000" } = process.env;
const holdfast = createHoldfast({ url: HOLDFAST_URL, serviceKey: HOLDFAST_SERVICE_KEY });

const app = express().use(express.static("public")).use(requireCaller(holdfast));

app.get("/user/profile", (request, response) => response.json({ id: request.caller.userId }));
app.get("/posts", (request, response) => response.json({ posts: [], for: request.caller.userId }));
app.get("/user/instagram/status", async (request, response) =>
  response.json(await holdfast.service.status(request.caller.userId)),
);

const server = app.listen(Number(PORT), "127.0.0.1", () =>
  console.log(`listening ${server.address().port}`),
);
