/**
 * Do the client's types still say what the server says? `node scripts/check-openapi.mjs openapi.json`, where the
 * document comes from `holdfast openapi` or `GET /openapi.json`. Exit 1 names every member that differs.
 *
 * The client's types may be grouped otherwise (one status per state), so members are compared one by one: each must
 * exist on both sides and take the same values.
 */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/package.json").replace("package.json", "bin/tsc");

/** Operations that the client calls, with the type that it promises for the answer. */
const ANSWERS = [
  ["post", "/auth/sync", 200, "SyncResult"],
  ["get", "/user/profile", 200, "Profile"],
  ["get", "/user/instagram/status", 200, "InstagramStatus"],
  ["post", "/user/instagram/connect", 201, "ConnectAttempt"],
  ["post", "/user/instagram/connect/{attempt_id}/complete", 200, "InstagramStatus"],
  ["delete", "/user/instagram", 200, "DisconnectReceipt"],
  ["post", "/user/instagram/check", 200, "InstagramStatus"],
  ["get", "/user/instagram/history", 200, "HistoryPage"],
];

/** A JSON Schema, as far as the document uses it, as a TypeScript type. */
function typeOf(schema, document) {
  if (schema.$ref) {
    const target = schema.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at?.[key], document);
    if (!target) throw new Error(`${schema.$ref} is not in the document`);
    return typeOf(target, document);
  }
  const recur = (each) => typeOf(each, document);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice) return choice.map((each) => `(${recur(each)})`).join(" | ");
  const own = objectType(schema, recur);
  if (schema.allOf) return [...schema.allOf.map(recur), ...(schema.properties ? [own] : [])].join(" & ");
  const types = [schema.type].flat();
  if (schema.nullable) types.push("null");
  return types
    .map((type) => {
      if (type === "object") return own;
      if (type === "array") return `(${recur(schema.items)})[]`;
      if (type === "integer") return "number";
      if (["string", "number", "boolean", "null"].includes(type)) return type;
      throw new Error(`no type for ${JSON.stringify(schema)}`);
    })
    .join(" | ");
}

const objectType = ({ properties = {} }, recur) =>
  `{ ${Object.entries(properties)
    .map(([name, schema]) => `${JSON.stringify(name)}: ${recur(schema)};`)
    .join(" ")} }`;

const PRELUDE = `
/** A union of objects becomes one object whose members take the values of all of them; at every depth. */
type Plain<T> = Exclude<T, object> | Lists<Extract<T, readonly unknown[]>> | Merged<Exclude<Extract<T, object>, readonly unknown[]>>;
type Lists<T> = T extends readonly (infer E)[] ? Plain<E>[] : never;
type Merged<T> = [T] extends [never] ? never : { [K in Keys<T>]: Plain<Exclude<T[K], undefined>> };
type Keys<T> = Extract<keyof T, string>; // not a bare \`keyof T\`, which would map each object of a union for itself
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** The members in which two types differ. */
type Drift<C, W> = {
  [K in keyof C | keyof W]: K extends keyof C & keyof W
    ? Same<Plain<Exclude<C[K], undefined>>, Plain<Exclude<W[K], undefined>>> extends true ? never : K
    : K;
}[keyof C | keyof W];
function same<_D extends never>() {}
`;

export async function checkOpenApi(document) {
  const checks = ANSWERS.map(([method, path, status, type]) => {
    const content = document.paths?.[path]?.[method]?.responses?.[status]?.content;
    const schema = content?.["application/json"]?.schema;
    if (!schema) return `// @ts-nocheck\nthrow new Error("${method} ${path} ${status} is missing");`;
    return `/* ${method} ${path} */ same<Drift<Client.${type}, ${typeOf(schema, document)}>>();`;
  });
  const missing = checks.filter((check) => check.startsWith("// @ts-nocheck"));
  if (missing.length) return missing.map((check) => check.split('"')[1]);
  const directory = `${root}test-results`;
  const file = `${directory}/openapi-${process.pid}.ts`;
  await mkdir(directory, { recursive: true });
  await writeFile(file, [`import type * as Client from "../src/holdfast-client.js";`, PRELUDE, ...checks].join("\n"));
  try {
    execFileSync(process.execPath, [
      tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--ignoreConfig", file,
    ], { encoding: "utf8", stdio: "pipe" });
    return [];
  } catch (error) {
    const lines = (await readFile(file, "utf8")).split("\n");
    return error.stdout
      .split("\n")
      .filter((line) => line.includes("error TS"))
      .map((line) => {
        const operation = /\/\* (.*?) \*\//.exec(lines[Number(/\((\d+),/.exec(line)?.[1]) - 1] ?? "")?.[1];
        const members = /Type '(.*?)' does not satisfy/.exec(line)?.[1];
        return operation && members ? `${operation}: ${members}` : line;
      });
  } finally {
    await rm(file, { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const differences = await checkOpenApi(JSON.parse(await readFile(process.argv[2], "utf8")));
  for (const difference of differences) console.log(difference);
  console.log(differences.length ? "The types differ." : "The types of client and server agree.");
  process.exitCode = differences.length ? 1 : 0;
}
