/** What the client must never be able to do, checked on its text; and that the fake offers what the real one does. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createFakeClient } from "../src/fake.js";
import { createHoldfastClient } from "../src/holdfast-client.js";

/** The code of a file, without its comments. */
const read = async (name) =>
  (await readFile(new URL(`../src/${name}`, import.meta.url), "utf8")).replace(/\/\*[\s\S]*?\*\/|\/\/ .*/g, "");

test("the core imports nothing", async () => {
  assert.doesNotMatch(await read("holdfast-client.js"), /^\s*import\s|\bimport\s*\(/m);
});

test("the React layer imports React and itself, and no sign-in library", async () => {
  for (const name of ["react.js", "use-instagram.js", "instagram-connection.js", "states.js"]) {
    const imported = [...(await read(name)).matchAll(/\bfrom "([^"]+)"/g)].map(([, from]) => from);
    assert.ok(imported.every((from) => from === "react" || from.startsWith("./")), `${name}: ${imported}`);
  }
});

test("no file signs out, stores, or reads cookies; only the core navigates, and once", async () => {
  const navigation = /location\.(assign|replace|reload)|location\s*=[^=]|location\.href\s*=[^=]|window\.open/g;
  for (const name of ["holdfast-client.js", "react.js", "use-instagram.js", "instagram-connection.js", "states.js", "swr.js", "tanstack-query.js"]) {
    const code = await read(name);
    assert.doesNotMatch(code, /signOut|localStorage|sessionStorage|indexedDB|\.cookie|console\./, name);
    assert.equal((code.match(navigation) ?? []).length, name === "holdfast-client.js" ? 1 : 0, name);
  }
});

test("what uses hooks says so to frameworks that render on servers: it begins with \"use client\"", async () => {
  for (const name of ["react.js", "use-instagram.js", "instagram-connection.js"]) {
    assert.match(await read(name), /^"use client";\n/, name);
  }
});

test("the fake client has every member of the real one", () => {
  const real = createHoldfastClient({ baseUrl: "https://api.example.com", getToken: async () => null });
  const fake = createFakeClient();
  for (const member of Object.keys(real)) assert.equal(typeof fake[member], typeof real[member], member);
});
