/**
 * Do the client's types still say what the server says?
 * `node scripts/check-openapi.mjs openapi.json`, where the document comes from `holdfast openapi`
 * or `GET /openapi.json`. Exit 1 names every member that differs.
 *
 * The client's types may be grouped otherwise (one status per state), so members are compared one
 * by one: each must exist on both sides and take the same values.
 */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url)
  .resolve("typescript/package.json")
  .replace("package.json", "bin/tsc");

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

/**
 * What the client sends, in the names of the wire; that it sends just this is tested in
 * `tests/connect.test.js`.
 */
const BODIES = [
  [
    "post",
    "/user/instagram/connect",
    `{ return_to: Options["returnTo"]; force_reauth: Options["forceReauth"]; expect: Options["expect"] }`,
  ],
  ["post", "/user/instagram/connect/{attempt_id}/complete", "{ completion: string }"],
];

const PROBLEM = "application/problem+json";

/** A JSON Schema, as far as the document uses it, as a TypeScript type. */
function typeOf(schema, document) {
  if (schema.$ref) {
    const target = schema.$ref
      .replace(/^#\//, "")
      .split("/")
      .reduce((at, key) => at?.[key], document);
    if (!target) throw new Error(`${schema.$ref} is not in the document`);
    return typeOf(target, document);
  }
  const recur = (each) => typeOf(each, document);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice) return choice.map((each) => `(${recur(each)})`).join(" | ");
  const own = objectType(schema, recur);
  if (schema.allOf)
    return [...schema.allOf.map(recur), ...(schema.properties ? [own] : [])].join(" & ");
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
/**
 * A union of objects becomes one object whose members take the values of all of them; at every
 * depth.
 */
type Plain<T> = Exclude<T, object> | Lists<Extract<T, readonly unknown[]>> | Merged<Exclude<Extract<T, object>, readonly unknown[]>>;
type Lists<T> = T extends readonly (infer E)[] ? Plain<E>[] : never;
type Merged<T> = [T] extends [never] ? never : { [K in Keys<T>]: Plain<Exclude<T[K], undefined>> };
// Not a bare \`keyof T\`, which would map each object of a union for itself.
type Keys<T> = Extract<keyof T, string>;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** The members in which two types differ. */
type Drift<C, W> = {
  [K in keyof C | keyof W]: K extends keyof C & keyof W
    ? Same<Plain<Exclude<C[K], undefined>>, Plain<Exclude<W[K], undefined>>> extends true ? never : K
    : K;
}[keyof C | keyof W];
/** The members that one of them lacks, or whose values in C are not among those in W. */
type Outside<C, W> = {
  [K in keyof C | keyof W]: K extends keyof C & keyof W
    ? [Exclude<C[K], undefined | null>] extends [Exclude<W[K], undefined | null>] ? never : K
    : K;
}[keyof C | keyof W];
type Present<T> = { [K in keyof T]-?: NonNullable<T[K]> };
type Options = Client.ConnectOptions;
function same<_D extends never>() {}
`;

/**
 * The differences between the document and the client's types, one a line; none where they agree.
 */
export async function checkOpenApi(document) {
  const missing = [];
  const checks = [];
  const check = (what, schema, assertion) => {
    if (schema) checks.push(`/* ${what} */ same<${assertion(typeOf(schema, document))}>();`);
    else missing.push(`${what} is missing`);
  };
  const operation = (method, path) => document.paths?.[path]?.[method];
  for (const [method, path, status, type] of ANSWERS) {
    const schema = operation(method, path)?.responses?.[status]?.content?.["application/json"]
      ?.schema;
    check(`${method} ${path} ${status}`, schema, (wire) => `Drift<Client.${type}, ${wire}>`);
  }
  for (const [method, path, type] of BODIES) {
    const schema = operation(method, path)?.requestBody?.content?.["application/json"]?.schema;
    check(`${method} ${path} body`, schema, (wire) => `Drift<Present<${type}>, Present<${wire}>>`);
  }
  const refusal = operation("get", "/user/instagram/status")?.responses?.[401]?.content?.[PROBLEM]
    ?.schema;
  // The document calls some members plain strings, and the client names their values.
  check("problem", refusal, (wire) => `Outside<Client.Problem, ${wire}>`);
  const parameters = operation("get", "/user/instagram/history")?.parameters ?? [];
  if (!parameters.some((each) => each.name === "before"))
    missing.push("get /user/instagram/history ?before is missing");
  if (!operation("get", "/user/events")?.responses?.[200]?.content?.["text/event-stream"]) {
    missing.push("get /user/events 200 is missing");
  }
  if (missing.length) return missing;
  const directory = `${root}test-results`;
  const file = `${directory}/openapi-${process.pid}.ts`;
  await mkdir(directory, { recursive: true });
  await writeFile(
    file,
    [`import type * as Client from "../src/holdfast-client.js";`, PRELUDE, ...checks].join("\n"),
  );
  try {
    execFileSync(
      process.execPath,
      [
        tsc,
        "--noEmit",
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--ignoreConfig",
        file,
      ],
      { encoding: "utf8", stdio: "pipe" },
    );
    return [];
  } catch (error) {
    const lines = (await readFile(file, "utf8")).split("\n");
    return error.stdout
      .split(/\n(?! )/) // further lines of an error are indented
      .filter((report) => report.includes("error TS"))
      .map((report) => {
        const operation = /\/\* (.*?) \*\//.exec(
          lines[Number(/\((\d+),/.exec(report)?.[1]) - 1] ?? "",
        )?.[1];
        // Several members at once are named by the alias; the next line then has the first of them.
        const members = /Type '(".*?)'/.exec(report)?.[1];
        return operation && members ? `${operation}: ${members}` : report;
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
