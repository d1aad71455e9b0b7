/**
 * The configurations of `deploy/`, with the addresses of a test in place of those that they name.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { freePort, python, root, scratch, start, until } from "./processes.js";

const canConnect = (port) =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true))).on(
      "error",
      reject,
    );
  });

export function adapted(file, replacements) {
  let text = readFileSync(`${root}deploy/${file}`, "utf8");
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`${file} does not say ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

export async function run(name, port, command, args, options) {
  const process = start(command, args, options);
  await until(name, process, () => canConnect(port));
  return { name, url: `http://127.0.0.1:${port}`, port, ...process };
}

/**
 * Each of these, with `optional`, lets callers pass without credentials; `locations` are more of
 * them, as operators add.
 */
export async function startNginx(holdfast, backend, optional = false, locations = "") {
  const [port, directory] = [await freePort(), scratch()];
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((each) => `${each}_temp_path ${directory}/${each};`)
    .join(" ");
  const text = adapted("nginx/nginx.conf", [
    ["127.0.0.1:8080", `127.0.0.1:${holdfast}`],
    ["127.0.0.1:3000", `127.0.0.1:${backend}`],
    ["listen 80;", `listen 127.0.0.1:${port};`],
    ["http {", `http { access_log off; ${temporary}`],
    ...(optional ? [["/forward-auth;", "/forward-auth?credentials=optional;"]] : []),
    ["location = /_holdfast {", `${locations} location = /_holdfast {`],
  ]);
  writeFileSync(`${directory}/nginx.conf`, text);
  const user = process.getuid() === 0 ? "user root; " : "";
  const globals = `${user}daemon off; worker_processes 1; pid ${directory}/pid; error_log stderr;`;
  return run("nginx", port, "nginx", [
    "-p",
    directory,
    "-c",
    `${directory}/nginx.conf`,
    "-g",
    globals,
  ]);
}

/** Caddy with this configuration, and nothing of its own outside the directory. */
export function runCaddy(port, directory, text) {
  writeFileSync(`${directory}/Caddyfile`, text);
  mkdirSync(`${directory}/data`);
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    XDG_DATA_HOME: `${directory}/data`,
    XDG_CONFIG_HOME: directory,
  };
  return run(
    "Caddy",
    port,
    "caddy",
    ["run", "--config", `${directory}/Caddyfile`, "--adapter", "caddyfile"],
    { env },
  );
}

export async function startCaddy(holdfast, backend, optional = false) {
  const [port, directory] = [await freePort(), scratch()];
  const text = adapted("caddy/Caddyfile", [
    ["127.0.0.1:8080", `127.0.0.1:${holdfast}`],
    ["127.0.0.1:3000", `127.0.0.1:${backend}`],
    ["\n:80 {", `\n{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n\n:${port} {`],
    ...(optional
      ? [
          ["rewrite /forward-auth?\n", "rewrite /forward-auth?credentials=optional\n"],
          ["header X-Auth-User user_*\n", "\n"],
        ]
      : []),
  ]);
  return runCaddy(port, directory, text);
}

export async function startHaproxy(holdfast, backend, optional = false) {
  const [port, directory] = [await freePort(), scratch()];
  const text = adapted("haproxy/haproxy.cfg", [
    ["127.0.0.1:8080", `127.0.0.1:${holdfast}`],
    ["127.0.0.1:3000", `127.0.0.1:${backend}`],
    ["bind :80", `bind 127.0.0.1:${port}`],
    ["lua-load holdfast.lua", `lua-load ${root}deploy/haproxy/holdfast.lua`],
    ...(optional ? [["/forward-auth unless", "/forward-auth?credentials=optional unless"]] : []),
  ]);
  writeFileSync(`${directory}/haproxy.cfg`, text);
  const path = `${process.env.PATH}:/usr/sbin`;
  return run("HAProxy", port, "haproxy", ["-db", "-f", `${directory}/haproxy.cfg`], {
    env: { PATH: path },
  });
}

export async function startEnvoy(holdfast, backend) {
  const [port, directory] = [await freePort(), scratch()];
  const text = adapted("envoy/envoy.yaml", [
    ["address: 0.0.0.0, port_value: 80 ", `address: 127.0.0.1, port_value: ${port} `],
    ["address: holdfast, port_value: 8080", `address: 127.0.0.1, port_value: ${holdfast}`],
    ["address: backend, port_value: 3000", `address: 127.0.0.1, port_value: ${backend}`],
  ]);
  writeFileSync(`${directory}/envoy.yaml`, text);
  // From PyPI, with the Python client's test requirements.
  return run("Envoy", port, `${dirname(python)}/envoy`, [
    ...["--config-path", `${directory}/envoy.yaml`, "--concurrency", "1"],
    ...["--disable-hot-restart", "--log-level", "error"],
  ]);
}

export async function startTraefik(holdfast, backend, optional = false) {
  const [port, directory] = [await freePort(), scratch()];
  const dynamic = adapted("traefik/dynamic.yml", [
    ["holdfast:8080", `127.0.0.1:${holdfast}`],
    ["backend:3000", `127.0.0.1:${backend}`],
    ["Host(`api.example.com`)", "PathPrefix(`/`)"],
    ...(optional ? [["/forward-auth\n", "/forward-auth?credentials=optional\n"]] : []),
  ]);
  const fixed = adapted("traefik/traefik.yml", [
    ["address: :80", `address: 127.0.0.1:${port}`],
    ["/etc/traefik/dynamic.yml", `${directory}/dynamic.yml`],
  ]);
  writeFileSync(`${directory}/dynamic.yml`, dynamic);
  writeFileSync(`${directory}/traefik.yml`, fixed);
  // From PyPI, as Envoy.
  const traefik = await run("Traefik", port, `${dirname(python)}/traefik`, [
    `--configFile=${directory}/traefik.yml`,
  ]);
  // It listens before it has read its routes.
  await until("Traefik", traefik, async () => (await fetch(traefik.url)).status !== 404);
  return traefik;
}
