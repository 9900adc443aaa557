// The task of sdks/scenarios.json.
import { setTimeout as sleep } from "node:timers/promises";
import { defineTask, serve, TaskFailure } from "@summit/maestro-sdk";

const stray: (() => void)[] = [];

const scenario = defineTask({
  name: "scenario",
  version: 2,
  summary: "Does what its input says",
  effects: ["network", "write"],
  input: { type: "object", properties: { do: { type: "string" }, value: {} }, required: ["do"] },
  output: { type: "object", properties: { value: {} }, required: ["value"] },
  example: { do: "echo", value: 1 },
  validate: (input) => (input.do === "invalid" ? ["do: it is not valid", "and it is late"] : []),
  async execute(context) {
    const { input, run, namespace, task, item, attempt, dir, base, deadline, traceparent, tracestate } = context;
    switch (input.do) {
      case "echo":
        return { value: input.value ?? null };
      case "context":
        return {
          value: [
            run,
            namespace,
            task,
            item,
            attempt,
            dir,
            base,
            deadline ?? null,
            traceparent ?? null,
            tracestate ?? null,
          ],
        };
      case "report":
        context.log("a line");
        context.progress(1, 2);
        context.progress(2);
        context.usage({ usdMicros: 5, tokens: 7 });
        context.heartbeat();
        context.artifact("a.txt");
        context.artifact("b.txt", "c.txt");
        return { value: null };
      case "print":
        console.log("printed by the task");
        return { value: null };
      case "fail":
        throw new TaskFailure("NO_LUCK", "not today", { final: true, details: { why: 1 }, output: { seen: 2 } });
      case "crash":
        throw new RangeError("the task broke");
      case "wait":
        context.heartbeat();
        await sleep(600_000, undefined, { signal: context.signal });
        return { value: null };
      case "stray":
        stray.push(context.heartbeat);
        return { value: null };
      case "poke":
        stray.pop()?.();
        return { value: "poked" };
      case "unsendable":
        return { value: 1n as unknown as number };
      case "slow":
        await sleep(20);
        return { value: "slow" };
      default:
        throw new Error(`do what? ${input.do}`);
    }
  },
});

export default scenario;

if (import.meta.main) await serve(scenario);
