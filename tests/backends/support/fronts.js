/**
 * The configurations of `deploy/` that stand in front of Holdfast itself, before two replicas on
 * ports of the test.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, scratch } from "./processes.js";
import { adapted, run, runCaddy } from "./proxies.js";

/** Everything that a proxy has written, on its output and into files. */
export function logsOf({ output, directory }) {
  if (!directory) return output();
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name.endsWith(".log"))
    .map((each) => readFileSync(join(each.parentPath ?? each.path, each.name), "utf8"));
  return [output(), ...files].join("\n");
}

export async function startNginxFront([first, second]) {
  const [port, directory] = [await freePort(), scratch()];
  const request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api.example.com".split(" ");
  const files = ["-keyout", `${directory}/privkey.pem`, "-out", `${directory}/fullchain.pem`];
  execFileSync("openssl", [...request, ...files], { stdio: "ignore" });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((each) => `${each}_temp_path ${directory}/${each};`)
    .join(" ");
  const text = adapted("nginx/holdfast.conf", [
    ["127.0.0.1:8091", `127.0.0.1:${first}`],
    ["127.0.0.1:8092", `127.0.0.1:${second}`],
    ["listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`],
    ["/etc/holdfast/tls", directory],
    // Each replica is asked each time, and not waited for for long.
    ["max_fails=1 fail_timeout=2s", "max_fails=0"],
    ["proxy_read_timeout 30s", "proxy_read_timeout 1s"],
    ["http {", `http { ${temporary}`],
  ]);
  writeFileSync(`${directory}/nginx.conf`, text);
  const user = process.getuid() === 0 ? "user root; " : "";
  const front = await run("nginx", port, "nginx", [
    ...["-p", directory, "-c", `${directory}/nginx.conf`, "-e", `${directory}/error.log`],
    ...["-g", `${user}daemon off; worker_processes 1; pid ${directory}/pid;`],
  ]);
  return { ...front, directory, isTls: true };
}

export async function startCaddyFront([first, second]) {
  const [port, directory] = [await freePort(), scratch()];
  const text = adapted("container/Caddyfile", [
    ["replica-a:8080 replica-b:8080", `127.0.0.1:${first} 127.0.0.1:${second}`],
    ["health_interval 2s", "health_interval 100ms"],
    ["\n{\n", "\n{\n\tadmin off\n\tauto_https off\n"],
    ["lb_try_duration 5s", "lb_try_duration 1s"],
    // With an access log, which an operator may ask for.
    ["{$PUBLIC_HOST} {", `http://127.0.0.1:${port} {\n\tlog`],
  ]);
  const front = await runCaddy(port, directory, text);
  return { ...front, directory };
}
