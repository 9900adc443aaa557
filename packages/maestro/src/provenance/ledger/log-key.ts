import type { TrustRoot } from "../trust.ts";
import type { NoteKey } from "./note.ts";

/** A log goes by the name of its installation, a URL without its scheme. */
export function originOf(builder: string): string {
  return builder.replace(/^https?:\/\//, "");
}

/** The keys of a trust root as keys of checkpoints: whoever may sign an installation's receipts may sign its ledger. */
export function logKeys(trustRoot: TrustRoot): readonly (NoteKey & { readonly keyid: string })[] {
  return trustRoot.keys.map(({ keyid, builder, publicKey }) => ({
    keyid,
    name: originOf(builder),
    kind: "log",
    publicKey,
  }));
}
