import { MaestroError } from "../core/problem.ts";
import { loadIdentity } from "../identity/settings-file.ts";
import type { IdentitySettings } from "../identity/settings.ts";

/** Who may come in over the network, and by what. */
export interface Enter {
  /** A sentence without its full stop. */
  readonly said: string;
  /** Names of identity providers, with commas. */
  readonly providers: string;
}

/** Whoever starts a control plane gives its address to others, and is told what they need. Errors: as of `loadIdentity`, save its own. */
export async function whoEnters(dataDir: string): Promise<Enter> {
  try {
    return enter(await loadIdentity(dataDir));
  } catch (error) {
    // It is up all the same, for the owner.
    if (!(error instanceof MaestroError) || error.code !== "identity_unusable") throw error;
    return { said: "only the owner, since identity.yaml cannot be used; `maestro doctor` says why", providers: "" };
  }
}

function enter({ issuers }: IdentitySettings): Enter {
  const providers = [...issuers.keys()].join(", ");
  if (issuers.size === 0)
    return {
      said: "only the owner, by the token file, or in a browser by `maestro login --link`; docs/guides/identity.md connects an identity provider for others",
      providers,
    };
  const by = issuers.size === 1 ? "identity provider" : "identity providers";
  const logsIn = [...issuers.values()].some(({ login }) => login !== undefined);
  return {
    said: `the owner, and whoever comes from the ${by} ${providers}${logsIn ? ": `maestro login --server URL`" : ""}`,
    providers,
  };
}
