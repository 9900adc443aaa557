/** A place that keeps what is once written to it, as far as it can. */
export interface WormTarget {
  /** For messages: the folder, `s3://bucket/prefix`. */
  readonly shown: string;
  /** What is there, in the order of the names. */
  list(): Promise<readonly WormFile[]>;
  read(name: string): Promise<Buffer>;
  /** Writes what is not there yet; durable when it resolves. Errors: `conflict` where something is, `storage_failed`. */
  create(name: string, bytes: Uint8Array): Promise<void>;
  /** Goes on with what was cut off when a process died in the middle. Errors: `storage_failed`. */
  append(name: string, bytes: Uint8Array): Promise<void>;
  /** What keeps the files as they are, measured on what was written: never what was hoped for. */
  protection(): Promise<Protection>;
}

export interface WormFile {
  readonly name: string;
  readonly bytes: number;
}

export interface Protection {
  /** Whether something other than good will keeps them. */
  readonly enforced: boolean;
  /** A sentence. */
  readonly detail: string;
}
