import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Transport } from "../api/http.ts";
import { SentRequest } from "../api/sent-request.ts";
import { SOCKET_ORIGIN, socketTransport, socketPath } from "../api/socket.ts";
import type { CatalogEntry } from "../catalog/list.ts";
import { peekNames } from "../store/peek.ts";
import type { ApprovalRow, RunPage } from "../store/store.ts";
import type { Candidate, Kind } from "./complete-words.ts";
import { findTarget } from "./target.ts";
import type { Target } from "./target.ts";

export interface NameSource {
  /** `--data`, `--server`, `--context` and `--token-file` as they stand on the line. */
  readonly options: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** More would not be read. */
const MAX_NAMES = 50;

/**
 * Names that this installation knows: from the engine that runs, or with a look into the database where none does. It never
 * makes a data directory and never becomes an engine, because pressing a key must change nothing.
 */
export async function namesOf(kind: Kind, source: NameSource): Promise<readonly Candidate[]> {
  switch (kind) {
    case "run":
    case "workflow":
    case "approval":
      return storedNames(kind, source);
    case "task": {
      const { taskTypes } = await import("../task/catalogue.ts");
      return [...taskTypes().values()].map(({ description: { name, title } }) => ({ word: name, about: title }));
    }
    case "context": {
      const { readConfig } = await import("./config-file.ts");
      const { contexts } = readConfig(source.env);
      return Object.entries(contexts).map(([word, { server, data }]) => ({ word, about: server ?? data ?? "" }));
    }
    case "shipped": {
      const { shippedRunbooks } = await import("./shipped-runbooks.ts");
      return (await shippedRunbooks()).map(({ name, description }) => ({ word: name, about: description }));
    }
    case "file":
    case "folder":
      return [];
  }
}

async function storedNames(kind: "run" | "workflow" | "approval", source: NameSource): Promise<readonly Candidate[]> {
  const { options, env, cwd } = source;
  const flags = {
    data: options["data"],
    server: options["server"],
    context: options["context"],
    tokenFile: options["token-file"],
  };
  const target = findTarget({ flags, env, cwd });
  if (target.kind === "server") return ask(kind, await remote(target), source.signal);
  const dataDir = target.data.value;
  const database = join(dataDir, "maestro.db");
  if (!existsSync(database)) return [];
  try {
    return await ask(kind, socketTransport(socketPath(dataDir)), source.signal);
  } catch {
    // No engine is up, or one was killed and left its socket: then the database knows.
    return peekNames(database, kind, MAX_NAMES).map((word) => ({ word, about: "" }));
  }
}

async function remote(target: Extract<Target, { readonly kind: "server" }>): Promise<Transport> {
  const { remoteTransport } = await import("./remote.ts");
  return remoteTransport(target);
}

async function ask(
  kind: "run" | "workflow" | "approval",
  handle: Transport,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const get = async <T>(path: string): Promise<T> => {
    const response = await handle(new SentRequest(new URL(path, SOCKET_ORIGIN), { signal }));
    if (!response.ok) throw new Error(`answered with ${response.status}`);
    return (await response.json()) as T;
  };
  switch (kind) {
    case "run": {
      const { runs } = await get<RunPage>(`/v1/runs?limit=${MAX_NAMES}`);
      return runs.map(({ id, name, status }) => ({ word: id, about: `${name} ${status}` }));
    }
    case "approval": {
      const { approvals } = await get<{ readonly approvals: readonly ApprovalRow[] }>("/v1/approvals");
      return approvals.map(({ id, workflow, task }) => ({ word: id, about: `${workflow} ${task}` }));
    }
    case "workflow": {
      const { workflows } = await get<{ readonly workflows: readonly CatalogEntry[] }>(
        `/v1/workflows?limit=${MAX_NAMES}`,
      );
      return workflows.flatMap(({ namespace, name, version, source }) =>
        name === null ? [] : [{ word: `${namespace}/${name}@${version}`, about: source }],
      );
    }
  }
}
