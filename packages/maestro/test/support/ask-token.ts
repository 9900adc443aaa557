import { request } from "node:http";
import { text } from "node:stream/consumers";

export interface TokenAnswer {
  readonly status: number;
  readonly token?: string;
  readonly expiresAt?: number;
  readonly code?: string;
  readonly detail?: string;
  readonly fix?: string;
}

/** Asks the socket of an attempt, as a task would. Rejects where nobody answers. */
export async function askToken(
  socketPath: string,
  path = "/token?audience=vault",
  options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<TokenAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, agent: false, ...options }, (response) => {
      text(response).then(
        (body) => resolve({ ...(JSON.parse(body) as object), status: response.statusCode ?? 0 }),
        reject,
      );
    });
    sent.once("error", reject);
    sent.end();
  });
}
