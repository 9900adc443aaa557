import { isAbsolute } from "node:path";
import type { Isolation } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import { examine } from "./external-examine.ts";
import { Pool } from "./external-pool.ts";
import type { ProgramHost } from "./external-pool.ts";
import { readRegistrations, removeRegistration, writeRegistration } from "./external-registry.ts";
import type { Registration } from "./external-registry.ts";
import { externalType } from "./external-type.ts";
import type { TaskDescription, TaskType } from "./task.ts";

export interface ExternalOptions extends ProgramHost {
  readonly dataDir: string;
  /** By `name@version`. Built-in types are in it; the types of programs are put into it and taken out. */
  readonly types: Map<string, TaskType>;
  /** The same types' descriptions, kept equal. */
  readonly descriptions: Map<string, TaskDescription>;
  /** How isolated a process without a sandbox is here. */
  isolation(): Promise<Isolation>;
  /** Epoch milliseconds. */
  now(): number;
  /** Told of registrations that cannot be used. */
  warn(problem: string): void;
}

/** Task types that programs carry out: what was added to a data directory, and the processes of these programs. */
export class ExternalTypes {
  readonly #options: ExternalOptions;
  readonly #known = new Map<string, { readonly registration: Registration; readonly pool: Pool }>();

  /** Reads what was added before. No program is started until an attempt needs it. */
  constructor(options: ExternalOptions) {
    this.#options = options;
    const { found, problems } = readRegistrations(options.dataDir);
    for (const problem of problems) options.warn(problem);
    for (const registration of found) {
      if (this.#isOurs(registration))
        options.warn(
          `${nameOf(registration)} is a built-in type now; the program ${registration.program.path} is not used`,
        );
      else this.#install(registration);
    }
  }

  /**
   * Adds a program, or adds it again after it was changed. Errors: `not_found`, `invalid_request`, `task_unusable`,
   * `conflict` where the name is taken.
   */
  async add(path: string, env: readonly string[]): Promise<TaskDescription> {
    if (!isAbsolute(path))
      throw new MaestroError("invalid_request", `The path of a program is absolute; ${path} is not.`);
    const registration = await examine(path, env, this.#options);
    const name = nameOf(registration);
    if (this.#isOurs(registration))
      throw new MaestroError("conflict", `${name} is a built-in task type.`, {
        fix: "Give the program's type another name.",
      });
    const known = this.#known.get(name)?.registration.program.path;
    if (known !== undefined && known !== path)
      throw new MaestroError("conflict", `${name} is carried out by ${known} already.`, {
        fix: `Give it another version, or take the other out first: \`maestro task remove ${name}\`.`,
        facts: { path: known },
      });
    writeRegistration(this.#options.dataDir, registration);
    return this.#install(registration);
  }

  /** Runs that use it fail from now on. Errors: `not_found`, `conflict` for a built-in type. */
  remove(name: string): void {
    const known = this.#known.get(name);
    if (known === undefined) {
      if (this.#options.types.has(name))
        throw new MaestroError("conflict", `${name} is a built-in task type and cannot be removed.`, {
          fix: "Leave it; a type that no runbook uses does nothing.",
        });
      throw new MaestroError("not_found", `There is no task type ${name}.`, { fix: "List them: `maestro task list`." });
    }
    removeRegistration(this.#options.dataDir, known.registration.description);
    this.#known.delete(name);
    this.#options.types.delete(name);
    this.#options.descriptions.delete(name);
    known.pool.retire();
  }

  /** Ends every process. */
  async close(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ pool }) => pool.close()));
  }

  #install(registration: Registration): TaskDescription {
    const name = nameOf(registration);
    const { program, description: said, validates, concurrency = 1 } = registration;
    this.#known.get(name)?.pool.retire();
    const pool = new Pool(program, said, this.#options);
    const type = externalType({
      said,
      validates,
      concurrency,
      program,
      pool,
      host: this.#options,
      isolation: () => this.#options.isolation(),
    });
    this.#known.set(name, { registration, pool });
    this.#options.types.set(name, type);
    this.#options.descriptions.set(name, type.description);
    return type.description;
  }

  #isOurs({ description: { name } }: Registration): boolean {
    return [...this.#options.types.values()].some(
      ({ description }) => description.name === name && description.program === undefined,
    );
  }
}

function nameOf({ description }: Registration): string {
  return `${description.name}@${description.version}`;
}
