/**
 * The package as it would be published: its files, its manifest (publint) and its types
 * (are-the-types-wrong).
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "holdfast-backend-"));
const run = (command, args, cwd = root) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  execFileSync(process.execPath, [join(root, "scripts/generate-types.mjs"), "--check"], {
    stdio: "inherit",
  });
  const packed = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", scratch]))[0];
  const names = packed.files.map((file) => file.path);
  for (const wanted of [
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "src/index.js",
    "src/index.d.ts",
  ]) {
    if (!names.includes(wanted)) throw new Error(`${wanted} is not in the package`);
  }
  const file = join(scratch, packed.filename);
  run("npx", ["--no-install", "publint", "run", file, "--strict"]);
  run("npx", ["--no-install", "attw", file, "--format", "ascii"]);

  // A fresh project that has nothing but the package, by `require` and by `import`.
  const project = join(scratch, "project");
  cpSync(join(root, "tests/fresh-project"), project, { recursive: true });
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true }));
  run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--offline", "--ignore-scripts", file],
    project,
  );
  run(process.execPath, ["required.cjs"], project);
  run(process.execPath, ["imported.mjs"], project);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  console.log(
    `holdfast-backend ${version}: ${names.length} files, ${packed.size} bytes; installs and loads`,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
