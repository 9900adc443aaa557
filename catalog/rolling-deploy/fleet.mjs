// A fleet to try the runbook with: a control API, and instances that are processes of their own with a port each.
//   node fleet.mjs [--port 7070] [--instances 3] [--version 1.0.0] [--broken 2.0.0]
// A version named by --broken starts and never becomes healthy. Ends with its standard input or with Ctrl-C.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string", default: "7070" },
    instances: { type: "string", default: "3" },
    version: { type: "string", default: "1.0.0" },
    broken: { type: "string", default: "" },
  },
});

if (positionals[0] === "instance") await serveInstance(positionals[1], Number(values.port));
else await serveFleet();

async function serveInstance(name, port) {
  const { version, broken } = values;
  const server = createServer((request, response) => {
    const isProbe = request.url === "/healthz";
    response.writeHead(isProbe && version === broken ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ name, version }));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  console.log(server.address().port);
}

async function serveFleet() {
  const fleet = new Map();
  for (let i = 1; i <= Number(values.instances); i++) {
    const name = `web-${i}`;
    fleet.set(name, await start(name, values.version, 0));
  }
  const control = createServer((request, response) => {
    answer(fleet, request).then(
      ([status, body]) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      },
      (error) => response.destroy(error),
    );
  });
  control.listen(Number(values.port), "127.0.0.1");
  await once(control, "listening");
  console.log(`http://127.0.0.1:${control.address().port}`);
  const end = () => {
    for (const { child } of fleet.values()) child.kill();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end);
  process.stdin.on("end", end).resume();
}

async function answer(fleet, request) {
  if (request.method === "GET") return [200, [...fleet].map(([name, { url, version }]) => ({ name, url, version }))];
  const name = /^\/instances\/([\w-]+)$/.exec(request.url)?.[1];
  const instance = fleet.get(name);
  if (request.method !== "PUT" || instance === undefined) return [404, { error: `there is no ${request.url}` }];
  const { version } = JSON.parse(Buffer.concat(await request.toArray()).toString());
  if (version !== instance.version) {
    instance.child.kill();
    await once(instance.child, "exit");
    fleet.set(name, await start(name, version, instance.port));
  }
  return [200, { name, version }];
}

/** The port stays an instance's own over restarts; 0: any that is free. */
async function start(name, version, port) {
  const args = ["instance", name, "--port", `${port}`, "--version", version, "--broken", values.broken];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  const its = Number(String(line));
  return { child, version, port: its, url: `http://127.0.0.1:${its}` };
}
