import { createHash } from "node:crypto";
import { MaestroError } from "../../core/problem.ts";
import type { DisclosedFile } from "../../provenance/disclosure/form.ts";
import { DISCLOSURE_LIMITS } from "../../provenance/disclosure/form.ts";
import type { GatheredArtifact } from "./gather.ts";

export interface PackedFile {
  readonly path: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  readonly content: Uint8Array | { readonly file: string };
}

/** The files of a package as they come together. Errors of adding: `limit_exceeded`. */
export class Draft {
  readonly #files = new Map<string, PackedFile & { readonly mediaType: string }>();
  #textBytes = 0;
  #bytes = 0;

  has(path: string): boolean {
    return this.#files.has(path);
  }

  add(path: string, content: string | Uint8Array, mediaType: string): void {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    this.#textBytes += bytes.length;
    const digest = createHash("sha256").update(bytes).digest("hex");
    this.#put({ path, size: bytes.length, sha256: digest, mediaType, content: bytes });
  }

  addFile({ path, digest, size, file }: GatheredArtifact): void {
    const sha256 = digest.slice("sha256:".length);
    this.#put({ path, size, sha256, mediaType: "application/octet-stream", content: { file } });
  }

  /** As the manifest lists them. */
  listed(): readonly DisclosedFile[] {
    return this.#sorted().map(({ path, sha256, size, mediaType }) => ({ path, sha256, size, mediaType }));
  }

  files(): readonly PackedFile[] {
    return this.#sorted();
  }

  /** What nothing can be taken out of, the receipts left aside, which are read as what they say. */
  opaque(): readonly PackedFile[] {
    return this.#sorted().filter(({ path }) => /^(?:policy|evidence\/[^/]+\/(?:logs|artifacts))\//.test(path));
  }

  #sorted(): readonly (PackedFile & { readonly mediaType: string })[] {
    return [...this.#files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  #put(file: PackedFile & { readonly mediaType: string }): void {
    this.#files.set(file.path, file);
    this.#bytes += file.size;
    if (
      this.#files.size > DISCLOSURE_LIMITS.files ||
      this.#textBytes > DISCLOSURE_LIMITS.textBytes ||
      this.#bytes > DISCLOSURE_LIMITS.bytes
    )
      throw new MaestroError("limit_exceeded", "The package would be larger than a package may be.", {
        facts: { files: this.#files.size, bytes: this.#bytes },
        fix: "Disclose fewer runs at once, or leave out artifacts and logs.",
      });
  }
}
