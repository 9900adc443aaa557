import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runbook } from "./runbook.ts";
import { loadRunbook } from "./runbook.ts";

/** A runbook with one of everything that tests are about, and room for more files; for our own tests. */
export const DEPLOY = `
apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: deploy, version: 1.0.0, description: Builds and deploys. }
spec:
  purposes: [operations]
  inputs: { hosts: { type: array, items: { type: string }, default: [a, b], description: Where } }
  budget: { wall: 30d }
  onFailure: rollback
  tasks:
    build:
      uses: exec@1
      with: { argv: [make] }
      retry: { attempts: 3, backoff: { initial: 10s, factor: 2, jitter: none } }
      timeout: { run: 1m, heartbeat: 20s }
      undo: { uses: exec@1, with: { argv: [unmake] } }
    gate:
      needs: [build]
      uses: approval@1
      with: { count: 2, roles: [ops], message: ship it }
    deploy:
      needs: [gate]
      forEach: { items: inputs.hosts, as: host }
      uses: exec@1
      with: { argv: [deploy, "\${{ host }}"] }
      undo: { uses: exec@1, with: { argv: [undeploy, "\${{ host }}"] } }
    check:
      needs: [deploy]
      when: size(inputs.hosts) > 0
      uses: http@1
      with: { url: "https://example.com/health" }
      until: { condition: task.output.status == 200, every: 1m, max: 10000 }
  finally:
    tell: { uses: noop@1, with: { value: "\${{ run.status }}" } }
  outputs: { told: "\${{ tasks.tell.output }}" }
`;

export interface Folder extends AsyncDisposable {
  readonly dir: string;
  write(name: string, text: string): Promise<string>;
  load(name: string): Promise<Runbook>;
}

/** A folder with these files that is gone after the test. */
export async function folderWith(files: Readonly<Record<string, string>>): Promise<Folder> {
  const dir = await mkdtemp(join(tmpdir(), "maestro-tests-"));
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(dir, name), text);
    return join(dir, name);
  };
  for (const [name, text] of Object.entries(files)) await write(name, text);
  return {
    dir,
    write,
    load: (name) => loadRunbook(join(dir, name)),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
