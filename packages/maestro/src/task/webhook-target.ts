import { readCredential } from "./credential.ts";
import type { CredentialSource } from "./credential.ts";
import { urlProblem } from "./http-admit.ts";
import { shown } from "./http-exchange.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

export interface Target {
  readonly url: URL;
  readonly shown: string;
}

/** Where to post. Of an address that is a credential, messages show the host alone. */
export async function targetOf(context: TaskContext, source: string | CredentialSource): Promise<Target> {
  if (typeof source === "string") {
    const url = new URL(source);
    return { url, shown: shown(url) };
  }
  const url = URL.parse((await readCredential(context, source)).trim());
  if (url !== null && urlProblem(url) === undefined) return { url, shown: `${url.origin}/…` };
  const where = "env" in source ? `The variable ${source.env}` : `The file ${source.file}`;
  throw new TaskFailure({
    code: "CREDENTIAL",
    message: `${where} holds no http or https URL without a user name and a password.`,
    final: true,
  });
}

export function prefixed(name: string, problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [`${name}: ${problem}`];
}

export function webhookUrlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  return url === null ? `${JSON.stringify(text.slice(0, 200))} is not a URL` : urlProblem(url);
}
