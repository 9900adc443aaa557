import { parentPort } from "node:worker_threads";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { Refusal } from "./refusal.ts";
import type { Answer, Order } from "./thread.ts";

/** The other side of a `StoreThread`: answers each question as it comes, and ends when it is told to. */
export function serveThread<Result>(answer: (question: unknown) => Result | Promise<Result>, close: () => void): void {
  const port = parentPort;
  if (port === null) throw new TypeError("this module is a thread's");
  let open = 0;
  let ending = false;
  const tell = (said: Answer<Result>): void => {
    open -= 1;
    port.postMessage(said);
    if (ending && open === 0) end();
  };
  const end = (): void => {
    close();
    port.close();
  };
  port.on("message", (order: Order<unknown> | null) => {
    if (order === null) {
      ending = true;
      if (open === 0) end();
      return;
    }
    open += 1;
    const { id, question } = order;
    const failed = (thrown: unknown): void => tell({ id, refusal: refusalOf(thrown) });
    try {
      const result = answer(question);
      if (result instanceof Promise) result.then((late) => tell({ id, result: late }), failed);
      else tell({ id, result });
    } catch (thrown) {
      failed(thrown);
    }
  });
  // Ready.
  port.postMessage(null);
}

function refusalOf(thrown: unknown): Refusal {
  const { code, message, facts, fix } =
    thrown instanceof MaestroError ? thrown : new MaestroError("internal", messageOf(thrown));
  return { code, detail: message, facts, fix };
}
