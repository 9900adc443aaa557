#!/usr/bin/env node
// A task program that breaks the protocol as its input asks, or at its start as MISBEHAVE says.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const { MISBEHAVE: start = "" } = process.env;
const say = (message) => process.stdout.write(`${typeof message === "string" ? message : JSON.stringify(message)}\n`);
const open = new Set();
/** Does nothing any more, not even read. */
const stall = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);

const description = {
  name: "misbehave",
  version: 1,
  summary: "Breaks the task protocol",
  effects: start === "effects" ? ["network", "write"] : [],
  input: { type: "object", properties: { do: { type: "string" } } },
  output: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] },
  example: { do: "well" },
};

const at = {
  hello() {
    switch (start) {
      case "exit":
        console.error("no such module: left-pad");
        return process.exit(3);
      case "silent":
        return undefined;
      case "nonsense":
        return say("Welcome to my program!");
      case "version":
        return say({ type: "hello", protocol: 7 });
      default:
        return say({ type: "hello", protocol: 1, concurrency: start === "one" ? 1 : 8 });
    }
  },
  init() {
    if (start === "silent") return;
    if (start === "other") description.summary = "Something else";
    if (start === "unicode") description.docs = "\ud800";
    if (start === "schema") description.input = { type: "objekt" };
    say({ type: "description", description, validates: start === "validates" });
    if (start === "stalls") stall();
  },
  validate({ id, input }) {
    say({ type: "validated", id, problems: input.do === "invalid" ? ["do: it is not valid", "and it is late"] : [] });
  },
  async execute({ id, input, dir, deadline, traceparent }) {
    open.add(id);
    const done = () => {
      open.delete(id);
      say({ type: "result", id, output: { ok: true } });
    };
    switch (input.do) {
      case "well":
        return done();
      case "folder":
        open.delete(id);
        return say({
          type: "result",
          id,
          output: { ok: true, dir, deadline: deadline ?? null, traceparent, pid: process.pid },
        });
      case "wait":
        say({ type: "emit", id, event: { kind: "progress", done: 1, total: 2 } });
        return undefined;
      case "stall":
        say({ type: "emit", id, event: { kind: "progress", done: 1, total: 2 } });
        return stall();
      case "nonsense":
        return say("half way there...");
      case "unknown":
        return say({ type: "reslut", id, output: { ok: true } });
      case "members":
        return say({ type: "result", id, output: { ok: true }, extra: 1 });
      case "twice":
        done();
        done();
        return undefined;
      case "stranger":
        return say({ type: "result", id: "a999999", output: { ok: true } });
      case "neighbour":
        return say({ type: "result", id: [...open].find((one) => one !== id), output: { ok: true } });
      case "after":
        done();
        return say({ type: "emit", id, event: { kind: "heartbeat" } });
      case "schema":
        return say({ type: "result", id, output: { ok: "yes" } });
      case "die":
        console.error("fatal: the disk said no");
        return process.exit(7);
      case "kill":
        return process.kill(process.pid, "SIGKILL");
      case "line": {
        const part = "x".repeat(1 << 20);
        process.stdout.write(`{"type":"result","id":"${id}","output":{"ok":true,"x":"`);
        for (let i = 0; i < 20; i++) process.stdout.write(part);
        return process.stdout.write('"}}\n');
      }
      case "logs": {
        const text = "log ".repeat(16 * 1024);
        for (let i = 0; i < 64; i++) {
          if (!say({ type: "emit", id, event: { kind: "log", text } }))
            await new Promise((resolve) => process.stdout.once("drain", resolve));
        }
        return done();
      }
      case "stderr": {
        const text = "e".repeat(1 << 20);
        for (let i = 0; i < 12; i++) await new Promise((resolve) => process.stderr.write(`${text}\n`, resolve));
        return done();
      }
      case "fork":
        spawn("sh", ["-c", "(setsid sleep 600 &); sleep 600"], { stdio: "ignore", detached: true }).unref();
        return done();
      case "artifact":
        say({ type: "emit", id, event: { kind: "artifact", path: "/etc/hostname" } });
        return done();
      case "artifacts":
        for (let i = 0; i <= 10_000; i++) say({ type: "emit", id, event: { kind: "artifact", path: `${i}.txt` } });
        return done();
      case "unicode":
        return say({ type: "emit", id, event: { kind: "artifact", path: "\ud800" } });
      case "surrogate":
        return say({
          type: "failure",
          id,
          error: { code: "NO_LUCK", message: "\ud800 not today", details: ["\ud800"] },
        });
      case "deep": {
        const details = `${"[".repeat(5000)}${"]".repeat(5000)}`;
        return say(`{"type":"failure","id":"${id}","error":{"code":"NO_LUCK","message":"deep","details":${details}}}`);
      }
      case "reserved":
        return say({ type: "failure", id, error: { code: "LOST", message: "try me again" } });
      case "failure":
        return say({
          type: "failure",
          id,
          error: { code: "NO_LUCK", message: "not today", details: { why: 1 } },
          output: { seen: 2 },
        });
      case "slow":
        await sleep(50);
        return done();
      default:
        throw new Error(`do what? ${input.do}`);
    }
  },
  cancel({ id, error }) {
    if (start === "deaf" || !open.delete(id)) return;
    say({ type: "failure", id, error: { code: "CANCELLED", message: error.message } });
  },
  shutdown() {
    if (start === "immortal") return;
    process.exit(0);
  },
};

process.on("SIGTERM", () => undefined);
for await (const line of createInterface(process.stdin)) {
  const message = JSON.parse(line);
  void at[message.type]?.(message);
}
if (start === "immortal") await sleep(600_000);
