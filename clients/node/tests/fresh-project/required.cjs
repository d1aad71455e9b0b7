const { createHoldfast } = require("holdfast-backend");
const { requireCaller } = require("holdfast-backend/express");

requireCaller(createHoldfast({ url: "http://127.0.0.1:1" }));
