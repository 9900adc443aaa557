import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MaestroError, messageOf } from "../core/problem.ts";
import { checkFolderIsPrivate, keyFileName, readKeyFile } from "../provenance/key-file.ts";
import { readTrustRoot, TRUST_ROOT_FILE } from "../provenance/trust.ts";
import type { Finding, Patient } from "./finding.ts";

/** Whether receipts can be signed, by a key that the trust root names. Nothing is made and nothing is encrypted. */
export async function keyChecks({ dataDir, passphrase }: Patient): Promise<readonly Finding[]> {
  const check = "signing key";
  const dir = join(dataDir, "keys");
  if (!existsSync(dir)) return [{ check, status: "info", detail: "none yet; the first start makes one" }];
  try {
    checkFolderIsPrivate(dir);
    const path = join(dir, TRUST_ROOT_FILE);
    const { keys } = readTrustRoot(readFileSync(path, "utf8"), path);
    const current = keys.filter(({ validUntil }) => validUntil === null);
    const [key] = current;
    if (key === undefined || current.length > 1)
      throw new MaestroError(
        "key_unusable",
        `${path} names ${current.length} keys without an end; exactly one must be current.`,
      );
    const { encrypted } = readKeyFile(join(dir, keyFileName(key.publicKey)), key.keyid, passphrase);
    const retired = keys.length - 1;
    const detail = `${key.fingerprint}, ${encrypted ? "encrypted" : "in the clear"}, in the trust root with ${retired} retired`;
    return [{ check, status: "ok", detail }];
  } catch (error) {
    // Nobody forgot anything: this shell merely does not have what the service has.
    const isLocked = messageOf(error).includes("no passphrase was given");
    return [
      {
        check,
        status: isLocked ? "warning" : "failed",
        detail: messageOf(error),
        fix: error instanceof MaestroError ? error.fix : "Restore the keys folder from a backup.",
      },
    ];
  }
}
