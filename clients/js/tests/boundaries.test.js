/**
 * What the client must never be able to do, checked on its text; and that the fake offers what the
 * real one does.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { createFakeClient } from "../src/fake.js";
import { createHoldfastClient } from "../src/holdfast-client.js";

/** The code of a file, without its comments. */
const read = async (name) =>
  (await readFile(new URL(`../src/${name}`, import.meta.url), "utf8")).replace(
    /\/\*[\s\S]*?\*\/|\/\/ .*/g,
    "",
  );

const core = (await readdir(new URL("../src/core/", import.meta.url))).map(
  (name) => `core/${name}`,
);
const layers = [
  "react.js",
  "use-instagram.js",
  "instagram-connection.js",
  "states.js",
  "locales/en.js",
  "locales/de.js",
];
const adapters = ["swr.js", "tanstack-query.js", "popup.js"];

test("the core imports nothing but itself", async () => {
  for (const name of ["holdfast-client.js", ...core]) {
    const code = await read(name);
    const imported = [...code.matchAll(/\bfrom "([^"]+)"/g)].map(([, from]) => from);
    assert.ok(
      imported.every((from) => /^\.\/(core\/)?[\w-]+\.js$/.test(from)),
      `${name}: ${imported}`,
    );
    assert.doesNotMatch(code, /\bimport\s*\(/, name);
  }
});

test("the React layer imports React and this package, and no sign-in library", async () => {
  for (const name of layers) {
    const imported = [...(await read(name)).matchAll(/\bfrom "([^"]+)"/g)].map(([, from]) => from);
    assert.ok(
      imported.every((from) => from === "react" || from.startsWith("./")),
      `${name}: ${imported}`,
    );
  }
});

test("no file signs out, logs or reads cookies; one navigates, and one stores, for this tab alone", async () => {
  const navigation = /location\.(assign|replace|reload)|location\s*=[^=]|location\.href\s*=[^=]/g;
  for (const name of ["holdfast-client.js", ...core, ...layers, ...adapters]) {
    const code = await read(name);
    assert.doesNotMatch(code, /signOut|localStorage|indexedDB|\.cookie|console\./, name);
    assert.equal(/sessionStorage\./.test(code), name === "core/unfinished.js", name);
    // The latter leads its own popup.
    const navigates = name === "core/connecting.js" || name === "popup.js";
    assert.equal((code.match(navigation) ?? []).length, navigates ? 1 : 0, name);
  }
});

test('what uses hooks says so to frameworks that render on servers: it begins with "use client"', async () => {
  for (const name of ["react.js", "use-instagram.js", "instagram-connection.js"]) {
    assert.match(await read(name), /^"use client";\n/, name);
  }
});

test("the fake client has every member of the real one", () => {
  const real = createHoldfastClient({
    baseUrl: "https://api.example.com",
    getToken: async () => null,
  });
  const fake = createFakeClient();
  for (const member of Object.keys(real))
    assert.equal(typeof fake[member], typeof real[member], member);
});
