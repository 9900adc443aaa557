import { createHash, createPrivateKey } from "node:crypto";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { canonical } from "../../src/core/canonical.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { membersOfPackage, readPackage } from "../../src/operations/disclosure/read-package.ts";
import { TAR_END, tarPadding, ustarHeader } from "../../src/operations/tar.ts";
import type { DisclosureManifest } from "../../src/provenance/disclosure/form.ts";
import { DISCLOSURE_PREDICATE, MANIFEST, SEAL } from "../../src/provenance/disclosure/form.ts";
import type { PackageContents } from "../../src/provenance/disclosure/verify-package.ts";
import { sealReceipt } from "../../src/provenance/receipts.ts";
import { createSigner } from "../../src/provenance/signer.ts";
import type { Signer } from "../../src/provenance/signer.ts";
import type { TrustRoot } from "../../src/provenance/trust.ts";
import { readTrustRoot } from "../../src/provenance/trust.ts";
import { openControlPlane } from "../../src/serve.ts";
import type { ControlPlane } from "../../src/serve.ts";

export const REFUND = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: refund, version: 1.0.0 }
spec:
  type: ops
  purposes: [refund]
  license: internal
  inputs:
    email: { type: string }
    account: { type: object, additionalProperties: true, default: {} }
    note: { type: string, default: "" }
  tasks:
    look: { uses: noop@1, with: { value: { text: "refund for \${{ inputs.email }}", note: "\${{ inputs.note }}" } } }
    file:
      uses: exec@1
      needs: [look]
      runner: { sandbox: none }
      with: { argv: [sh, -c, "echo kept > kept.txt; echo told"] }
      artifacts: ["*.txt"]
  outputs: { said: "\${{ tasks.look.output.text }}" }
`;

export const BODY = { recipient: "Auditor Ltd", purpose: "yearly audit", authority: "contract 17" };

export interface Made {
  readonly status: number;
  readonly digest: string;
  readonly tar: Buffer;
  /** Of an answer that is no package. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** A control plane of its own in this process, whose runs are disclosed. */
export class Disclosing {
  readonly dir: string;
  plane: ControlPlane;

  private constructor(dir: string, plane: ControlPlane) {
    this.dir = dir;
    this.plane = plane;
  }

  static async open(files: Readonly<Record<string, string>> = {}): Promise<Disclosing> {
    const dir = await mkdtemp(join(tmpdir(), "maestro-disclosing-"));
    const plane = await openControlPlane({ dataDir: join(dir, "data") });
    const place = new Disclosing(dir, plane);
    if (Object.keys(files).length > 0) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, "data", name)), { recursive: true });
        writeFileSync(join(dir, "data", name), text);
      }
      await place.reopen();
    }
    return place;
  }

  async reopen(): Promise<void> {
    await this.plane.close();
    this.plane = await openControlPlane({ dataDir: join(this.dir, "data") });
  }

  async close(): Promise<void> {
    await this.plane.close();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Starts a run, and waits for its end. */
  async run(inputs: object, manifest = REFUND): Promise<string> {
    const { json } = await this.call("POST", "/v1/runs", { manifest, inputs });
    const id = (json["run"] as { readonly id?: string } | undefined)?.id ?? JSON.stringify(json);
    await this.plane.engine.idle();
    return id;
  }

  async disclose(runs: readonly string[], more: object = {}): Promise<Made> {
    return this.call("POST", "/v1/disclosures", { ...BODY, runs, ...more });
  }

  async salts(runs: readonly string[], more: object = {}): Promise<Made> {
    return this.call("POST", "/v1/disclosures/salts", { ...BODY, runs, ...more });
  }

  async call(method: string, path: string, body?: unknown): Promise<Made> {
    const response = await this.plane.asOwner(
      new Request(`http://maestro.local${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      }),
    );
    const tar = Buffer.from(await response.arrayBuffer());
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return {
      status: response.status,
      digest: response.headers.get("maestro-package-digest") ?? "",
      tar,
      json: isJson ? (JSON.parse(tar.toString()) as Made["json"]) : {},
    };
  }

  get trustRoot(): TrustRoot {
    return readTrustRoot(readFileSync(join(this.dir, "data/keys/trust-root.json"), "utf8"), "the trust root");
  }

  /** As whoever has the installation's key signs: what an insider could do. */
  get signer(): Signer {
    const [file = ""] = globSync("data/keys/ed25519-*.pem", { cwd: this.dir });
    const key = createPrivateKey(readFileSync(join(this.dir, file), "utf8"));
    return createSigner(key, this.trustRoot.keys[0]!.builder);
  }
}

export type Files = Map<string, Buffer>;

/** The files of a package. */
export async function filesOf(tar: Buffer): Promise<Files> {
  const files: Files = new Map();
  for await (const { path, body } of membersOfPackage(Readable.from([tar], { objectMode: true }))) {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(part);
    files.set(path, Buffer.concat(parts));
  }
  return files;
}

export function tarOf(files: Files): Buffer {
  const members = [...files].flatMap(([path, bytes]) => [
    ustarHeader(path, bytes.length, 0)!,
    bytes,
    tarPadding(bytes.length),
  ]);
  return Buffer.concat([...members, TAR_END]);
}

/** As a verifier reads what somebody handed them. */
export async function asRead(tar: Buffer): Promise<PackageContents> {
  const dir = await mkdtemp(join(tmpdir(), "maestro-package-"));
  try {
    writeFileSync(join(dir, "package.tar"), tar);
    return await readPackage(join(dir, "package.tar"));
  } finally {
    await rm(dir, { recursive: true });
  }
}

export function manifestOf(files: Files): DisclosureManifest {
  return JSON.parse(files.get(MANIFEST)!.toString()) as DisclosureManifest;
}

/** The files with a manifest that lists them as they are now, sealed by somebody. */
export function sealed(
  files: Files,
  signer: Signer,
  change: (manifest: DisclosureManifest) => object = (manifest) => manifest,
): Files {
  const old = manifestOf(files);
  const types = new Map(old.files.map(({ path, mediaType }) => [path, mediaType]));
  const listed = [...files]
    .filter(([path]) => path !== MANIFEST && path !== SEAL)
    .map(([path, bytes]) => ({
      path,
      size: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      mediaType: types.get(path) ?? "application/octet-stream",
    }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const text = canonical(change({ ...old, files: listed }) as unknown as JsonValue);
  const { bundle } = sealReceipt(
    {
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: MANIFEST, digest: { sha256: sha256(text).slice("sha256:".length) } }],
      predicateType: DISCLOSURE_PREDICATE,
      predicate: {},
    },
    signer,
  );
  return new Map(files).set(MANIFEST, Buffer.from(text)).set(SEAL, Buffer.from(bundle));
}
