import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { operationsPath, operationsText, schemasPath, schemasText } from "../../../scripts/generate-client.ts";
import { createClient, MaestroApiError } from "../../sdk/src/client.ts";
import type { Client } from "../../sdk/src/client.ts";
import type { Operations } from "../../sdk/src/generated/operations.ts";
import { serveNetwork } from "../src/api/listen.ts";
import type { NetworkServer } from "../src/api/listen.ts";
import { ROUTES } from "../src/api/routes.ts";
import { SCHEMAS } from "../src/api/schemas.ts";
import { tokenPath } from "../src/api/token.ts";
import { PROBLEMS } from "../src/core/problem.ts";
import { attempts, namesOf } from "./support/attempts.ts";
import { manifestOf, OURS, Tenants } from "./support/tenants.ts";

// The SDK's client against a real control plane over TCP, and against servers that misbehave.

describe("the SDK's client", () => {
  it("is what the table of routes gives: npm run docs", () => {
    assert.equal(readFileSync(operationsPath, "utf8"), operationsText());
    assert.equal(readFileSync(schemasPath, "utf8"), schemasText());
  });

  describe("on a control plane", () => {
    let tenants: Tenants;
    let server: NetworkServer;
    let client: Client;
    let token = "";
    before(async () => {
      tenants = await Tenants.open();
      const authenticate = await tenants.plane.authenticate();
      server = await serveNetwork({
        address: { host: "127.0.0.1", port: 0 },
        authenticate,
        handle: tenants.plane.handle,
      });
      token = readFileSync(tokenPath(`${tenants.dir}/data`), "utf8").trim();
      client = createClient({ url: `${server.url}/`, token: async () => Promise.resolve(token) });
    });
    after(async () => {
      await server.close(0);
      await tenants[Symbol.asyncDispose]();
    });

    it("asks every operation, and every answer is what its type says or an error with a known code", async () => {
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      ajv.addSchema({ $id: "https://api.example/", components: { schemas: SCHEMAS } });
      const names = namesOf(OURS, tenants.ours);
      let good = 0;
      for (const route of ROUTES) {
        const [attempt] = attempts(route, names, names);
        const params = Object.fromEntries(
          [...route.path.matchAll(/\{(\w+)\*?\}/g)].map(([, name = ""]) => [
            name,
            name === "tile" ? "0/000" : decodeURIComponent(segmentOf(route.path, attempt?.path ?? "", name)),
          ]),
        );
        const call = client[route.operation as keyof Operations] as (args: object) => Promise<unknown>;
        try {
          const answer = await call({ params, body: attempt?.body ?? {} });
          good += 1;
          const json = route.answers.filter(({ status, schema }) => status < 300 && schema !== undefined);
          if (answer instanceof Response) await answer.body?.cancel();
          else if (typeof answer === "string") assert.notEqual(answer, "", route.operation);
          else
            assert.ok(
              json.some(({ schema }) =>
                ajv.validate({ $ref: `https://api.example/#/components/schemas/${schema}` }, answer),
              ),
              `${route.operation}: ${JSON.stringify(answer).slice(0, 300)} ${ajv.errorsText()}`,
            );
        } catch (error) {
          if (!(error instanceof MaestroApiError)) throw error;
          assert.ok(error.code in PROBLEMS, `${route.operation}: ${error.code} ${error.message}`);
          assert.ok(error.status >= 400 && error.fix !== "" && error.requestId !== "", route.operation);
        }
      }
      assert.ok(good > 45, `${good} of ${ROUTES.length} operations were answered well`);
    });

    it("starts a run once for a key, follows its history and its log, and reads its receipt", async () => {
      const body = { manifest: manifestOf(OURS), purpose: "test" };
      const started = await client.startRun({ body, idempotencyKey: "once" });
      assert.ok("run" in started);
      const again = await client.startRun({ body, idempotencyKey: "once" });
      assert.ok("run" in again && again.run.id === started.run.id);
      const kinds: string[] = [];
      for await (const event of client.followEvents({ run: started.run.id })) kinds.push(event.kind);
      assert.deepEqual([kinds[0], kinds.at(-1)], ["run_created", "run_ended"]);
      const parts: Uint8Array[] = [];
      for await (const part of client.followLog({ run: started.run.id, task: `${OURS}_say` })) parts.push(part);
      assert.equal(Buffer.concat(parts).toString(), `${OURS} spoke\n`);
      const view = await client.getRun({ params: { run: started.run.id } });
      assert.equal(view.run.status, "succeeded");
      const { artifacts } = await client.listRunArtifacts({ params: { run: started.run.id } });
      const file = await client.readRunArtifact({
        params: { run: started.run.id, digest: artifacts[0]?.digest ?? "" },
      });
      assert.equal(await file.text(), `${OURS} wrote\n`);
      const page = await client.listRuns({ query: { status: ["succeeded"], namespace: OURS, limit: 1 } });
      assert.equal(page.runs.length, 1);
    });

    it("throws what was answered, and asks again with a new token where the old one is not accepted", async () => {
      await assert.rejects(client.getRun({ params: { run: "r_none" } }), (error: unknown) => {
        assert.ok(error instanceof MaestroApiError);
        assert.deepEqual(
          [error.code, error.status, error.message],
          ["not_found", 404, "No run's id is, begins or ends with r_none."],
        );
        assert.match(error.fix, /maestro runs/);
        return true;
      });
      await assert.rejects(createClient({ url: server.url, token: "wrong" }).listRuns(), {
        code: "unauthorized",
        status: 401,
      });
      const given = ["stale", token];
      const refreshed = createClient({ url: server.url, token: () => given.shift() ?? "none" });
      assert.equal((await refreshed.whoAmI()).kind, "WhoAmI");
      for (const run of [".", ".."])
        await assert.rejects(client.getRun({ params: { run } }), { name: "TypeError", message: /is no name/ });
      await assert.rejects(client.getRun({ params: { run: "../approvals" } }), { code: "invalid_request" });
    });
  });

  describe("on servers that misbehave", () => {
    const servers: Server[] = [];
    after(() => servers.forEach((one) => one.close().closeAllConnections()));

    async function serve(listener: RequestListener): Promise<string> {
      const server = createServer(listener);
      servers.push(server);
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }
    const busy = (status: number): readonly [number, Record<string, string>, string] => [
      status,
      { "retry-after": "0", "content-type": "application/problem+json" },
      JSON.stringify({ code: status === 429 ? "rate_limited" : "overloaded", detail: "Busy." }),
    ];

    it("asks again what may be asked again, as often as it was told, and nothing else", async () => {
      let asked = 0;
      let status = 503;
      let fine = 2;
      const url = await serve((_, response) => {
        asked += 1;
        if (asked > fine) return void response.setHeader("content-type", "application/json").end("{}");
        const [code, headers, text] = busy(status);
        response.writeHead(code, headers).end(text);
      });
      const client = createClient({ url, retries: 2 });
      const times = async (call: () => Promise<unknown>): Promise<readonly [number, string]> => {
        asked = 0;
        const code = await call().then(
          () => "fine",
          (error: unknown) => (error as MaestroApiError).code,
        );
        return [asked, code];
      };
      assert.deepEqual(await times(async () => client.listRuns()), [3, "fine"]);
      assert.deepEqual(await times(async () => client.startRun({ body: {} })), [1, "overloaded"]);
      assert.deepEqual(await times(async () => client.startRun({ body: {}, idempotencyKey: "k" })), [3, "fine"]);
      fine = 9;
      assert.deepEqual(await times(async () => client.listRuns()), [3, "overloaded"]);
      status = 429;
      fine = 1;
      assert.deepEqual(await times(async () => client.startRun({ body: {} })), [2, "fine"]);
    });

    it("goes on where a stream broke, and gives up where nothing comes", async () => {
      const asked: (string | undefined)[] = [];
      const url = await serve((request, response) => {
        asked.push(
          String(
            request.headers["last-event-id"] ?? new URL(request.url ?? "/", "http://x").searchParams.get("offset"),
          ),
        );
        const n = asked.length;
        if (n === 1)
          response.write('id: 1\nevent: event\ndata: {"seq":1,"at":1,"kind":"run_started"}\n\nid: 2\nevent: ev');
        else if (n === 2)
          response.write(
            'id: 2\nevent: event\ndata: {"seq":2,"at":2,"kind":"run_finished"}\n\nevent: end\ndata: {}\n\n',
          );
        response.flushHeaders();
        setImmediate(() => response.destroy());
      });
      const client = createClient({ url, retries: 0 });
      const seen: number[] = [];
      for await (const { seq } of client.followEvents({ run: "r" })) seen.push(seq);
      assert.deepEqual(
        [seen, asked],
        [
          [1, 2],
          ["0", "1"],
        ],
      );
      await assert.rejects(
        async () => {
          for await (const part of client.followLog({ run: "r", task: "t", offset: 7 })) assert.fail(String(part));
        },
        { code: "server_unreachable" },
      );
    });

    it("stops when it is told to, says when nobody is there, and follows nobody elsewhere", async () => {
      const url = await serve((request, response) => {
        if (request.url === "/v1/runs") response.writeHead(302, { location: "http://127.0.0.1:9/" }).end();
      });
      const stop = new AbortController();
      const waiting = createClient({ url }).listTaskTypes({ signal: stop.signal });
      stop.abort(new Error("enough"));
      await assert.rejects(waiting, { message: "enough" });
      await assert.rejects(createClient({ url, token: "secret", retries: 0 }).listRuns(), {
        code: "server_unreachable",
      });
      await assert.rejects(createClient({ url: "http://127.0.0.1:9", retries: 0 }).listRuns(), {
        code: "server_unreachable",
        status: 0,
      });
      const page = await serve((_, response) => response.writeHead(502).end("<h1>Bad gateway</h1>"));
      await assert.rejects(createClient({ url: page, retries: 0 }).listRuns(), {
        code: "unexpected_answer",
        status: 502,
      });
    });
  });
});

/** What stands for a parameter of the template in a path. */
function segmentOf(template: string, path: string, name: string): string {
  const at = template.split("/").findIndex((part) => part === `{${name}}`);
  return path.split("?")[0]?.split("/")[at] ?? "";
}
