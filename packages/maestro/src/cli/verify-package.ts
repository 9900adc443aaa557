import { resolve } from "node:path";
import { readPackage } from "../operations/disclosure/read-package.ts";
import { readSalts } from "../provenance/disclosure/salts.ts";
import type { PackageVerification } from "../provenance/disclosure/verify-package.ts";
import { verifyPackage } from "../provenance/disclosure/verify-package.ts";
import type { VerifyRequest } from "../provenance/verify.ts";
import { usage } from "./cli.ts";
import type { Cli, Input } from "./cli.ts";
import { readNamed } from "./named-file.ts";

/** What is about one receipt; a package has its own. */
const OF_RECEIPTS = ["subject", "plan", "events", "previous", "proof", "run", "workflow", "status"] as const;

/** A disclosure package, a folder or a tar. Errors: `invalid_request`. */
export async function verifyPackageAt(
  cli: Cli,
  input: Input,
  path: string,
  { trustRoot, witnesses }: VerifyRequest,
): Promise<PackageVerification> {
  const odd = OF_RECEIPTS.filter((name) => input.text(name) !== undefined || input.texts(name).length > 0);
  if (odd.length > 0)
    throw usage(`${odd.map((name) => `--${name}`).join(", ")}: this is a disclosure package, and brings its own.`);
  const salts = input.text("salts");
  return verifyPackage(await readPackage(resolve(cli.cwd, path)), {
    trustRoot,
    ...(witnesses === undefined ? {} : { witnesses }),
    ...(salts === undefined ? {} : { salts: readSalts(await readNamed(cli, salts), salts) }),
  });
}
