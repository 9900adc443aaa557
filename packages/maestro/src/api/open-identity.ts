import type { ApiRequest } from "./api-request.ts";
import type { Authenticate } from "./guard.ts";
import type { Identity, IdentityParts } from "../identity/identity.ts";
import type { RefusalReason } from "../identity/refused.ts";

export interface LazyIdentity {
  get(): Promise<Identity>;
  /** Makes the owner's token where there is none. Errors: `token_unusable`. */
  authenticate(refused: (reason: RefusalReason, request: ApiRequest) => void): Promise<Authenticate>;
}

/** Loaded when the first one asks who somebody is: most commands ask nobody. */
export function lazyIdentity(parts: Omit<IdentityParts, "ownerToken">): LazyIdentity {
  let identity: Promise<Identity> | undefined;
  let token: ReturnType<IdentityParts["ownerToken"]> | undefined;
  const ownerToken = async (): ReturnType<IdentityParts["ownerToken"]> => {
    const { TokenCheck, tokenPath } = await import("./token.ts");
    return TokenCheck.open(tokenPath(parts.dataDir));
  };
  const openToken: IdentityParts["ownerToken"] = async () => (token ??= ownerToken());
  const open = async (): Promise<Identity> => {
    const { Identity: Opened } = await import("../identity/identity.ts");
    return new Opened({ ...parts, ownerToken: openToken });
  };
  const get = async (): Promise<Identity> => (identity ??= open());
  return {
    get,
    async authenticate(refused) {
      const { authenticator } = await import("../identity/authenticate.ts");
      return authenticator({ identity: await get(), ownerToken: await openToken(), owner: parts.owner, refused });
    },
  };
}
