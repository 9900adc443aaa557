import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { after, before, it } from "node:test";
import { Place } from "./support/maestro.ts";
import { Server } from "./support/server.ts";

// One id and one trace, from a request to everything that it leads to.

const SAYS = `printf '"%s %s"' "$MAESTRO_REQUEST_ID" "$TRACEPARENT" > "$MAESTRO_OUTPUT"`;

const manifest = (name: string, body: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 5m }
${body}`;

const CHILD = manifest(
  "child",
  `  tasks: { say: { uses: exec@1, with: { script: ${JSON.stringify(SAYS)} } } }
  outputs: { said: "\${{ tasks.say.output.value }}" }
`,
);
const PARENT = manifest(
  "parent",
  `  tasks:
    own: { uses: exec@1, with: { script: ${JSON.stringify(SAYS)} } }
    below: { uses: "runbook:t/child@1.0.0" }
  outputs: { own: "\${{ tasks.own.output.value }}", below: "\${{ tasks.below.output.said }}" }
`,
);
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

let place: Place;
let server: Server;
before(async () => {
  place = await Place.make({ "child.yaml": CHILD, "parent.yaml": PARENT });
  // In the sandbox of a root engine a command reads what everybody may read.
  chmodSync(place.dir, 0o755);
  const published = await place.run(["catalog", "publish", "child.yaml"]);
  assert.equal(published.code, 0, published.err);
  server = await Server.start(place, [], { MAESTRO_LOG_FORMAT: "json", MAESTRO_LOG_LEVEL: "info" });
});
after(async () => {
  await server.stop();
  await place.remove();
});

it("a request's id reaches logs, events, receipts, child runs and processes", async () => {
  const headers = { "x-request-id": "order-66:a", traceparent: TRACEPARENT };
  const body = JSON.stringify({ manifest: PARENT, purpose: "test" });
  const started = await server.ask({ method: "POST", path: "/v1/runs", headers, body });
  assert.equal(started.headers["x-request-id"], "order-66:a", "the answer says it");
  const { id } = started.json["run"] as { readonly id: string };
  const watched = await place.run(["watch", id]);
  assert.equal(watched.code, 0, watched.err);

  const shown = await server.ask({ path: `/v1/runs/${id}` });
  const { outputs } = shown.json as { readonly outputs: { readonly own: string; readonly below: string } };
  const said = new RegExp(`^order-66:a 00-${TRACE}-[0-9a-f]{16}-01$`);
  assert.match(outputs.own, said, "commands are told");
  assert.match(outputs.below, said, "and those of child runs");

  const children = await server.ask({ path: `/v1/runs?parent=${id}` });
  const [child] = children.json["runs"] as readonly { readonly id: string }[];
  for (const run of [id, child?.id ?? ""]) {
    const events = (await server.ask({ path: `/v1/runs/${run}/events` })).bytes.toString();
    assert.match(events, /"origin":\{[^}]*"request":"order-66:a"/);
    const receipt = (await server.ask({ path: `/v1/runs/${run}/receipt` })).bytes.toString();
    const payload = Buffer.from(/"payload":"([^"]*)"/.exec(receipt)?.[1] ?? "", "base64").toString();
    assert.match(payload, /"request":"order-66:a"/);
    const lines = server.up.err.split("\n").filter((line) => line.includes(`"run":"${run}"`));
    assert.ok(lines.length > 0 && lines.every((line) => line.includes('"requestId":"order-66:a"')), lines.join("\n"));
  }
});

it("what is no id is replaced and told to nobody", async () => {
  for (const bad of ["x y", `a${"b".repeat(100)}`, "<script>"]) {
    const { headers } = await server.ask({ path: "/v1/health", headers: { "x-request-id": bad } });
    assert.match(String(headers["x-request-id"]), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  }
});

it("a command that is called by a task belongs to the request of its run", async () => {
  const env = { MAESTRO_REQUEST_ID: "order-67", TRACEPARENT };
  const { code, out, err } = await place.run(["run", "child.yaml", "--purpose", "test", "--wait", "-o", "json"], {
    env,
  });
  assert.equal(code, 0, out + err);
  const { outputs } = JSON.parse(out) as { readonly outputs: { readonly said: string } };
  assert.match(outputs.said, new RegExp(`^order-67 00-${TRACE}-`));
  const odd = await place.run(["run", "child.yaml", "--purpose", "test", "--wait", "-o", "json"], {
    env: { MAESTRO_REQUEST_ID: "not\nan id" },
  });
  assert.equal(odd.code, 0, odd.err);
});
