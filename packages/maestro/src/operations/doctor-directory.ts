import { lstatSync } from "node:fs";
import { chmod, statfs } from "node:fs/promises";
import { join } from "node:path";
import { entriesOf } from "./folder-size.ts";
import type { Finding, Patient } from "./finding.ts";
import { CLOCKS, clockText, loadPolicy } from "./retention-policy.ts";
import { messageOf } from "../core/problem.ts";

const GIB = 2 ** 30;
const LOW_BYTES = GIB;
const NO_BYTES = 64 * 2 ** 20;
const LOW_INODES = 10_000;

/** statfs(2) magic numbers of file systems that are not a local disk. */
const KINDS: Readonly<Record<number, readonly [name: string, trouble: string]>> = {
  0x6969: ["NFS", "its locks and its syncing are not those of a disk"],
  0x517b: ["SMB", "its locks and its syncing are not those of a disk"],
  0xff534d42: ["CIFS", "its locks and its syncing are not those of a disk"],
  0xfe534d42: ["SMB2", "its locks and its syncing are not those of a disk"],
  0x00c36400: ["Ceph", "its locks and its syncing are not those of a disk"],
  0x01021997: ["9p", "its locks and its syncing are not those of a disk"],
  0x65735546: ["FUSE", "what it promises depends on who serves it"],
  0x01021994: ["tmpfs", "it is in memory: a restart of the machine empties it"],
};

/** The data directory as a folder: whose it is, who else may read it, what it lies on, and its policy. */
export async function directoryChecks(patient: Patient): Promise<readonly Finding[]> {
  const { dataDir } = patient;
  const found = lstatSync(dataDir, { throwIfNoEntry: false });
  if (found === undefined)
    return [
      {
        check: "data directory",
        status: "warning",
        detail: `${dataDir} (${patient.chosenBy}) is not there yet`,
        fix: "It is made by the first command that needs it; choose another one with --data.",
      },
    ];
  const whose = owner(patient, found);
  // What is in somebody else's folder cannot be looked at, and would only hide the reason.
  if (whose.status !== "ok") return [whose];
  return [whose, ...(await permissions(dataDir)), ...(await fileSystem(dataDir)), await policy(dataDir)];
}

function owner({ dataDir, chosenBy }: Patient, found: { readonly uid: number; isDirectory(): boolean }): Finding {
  const check = "data directory";
  if (!found.isDirectory())
    return { check, status: "failed", detail: `${dataDir} is not a folder`, fix: "Choose another one with --data." };
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid)
    return {
      check,
      status: "failed",
      detail: `${dataDir} belongs to user ${found.uid}, and this is user ${uid}`,
      fix: `Work as its owner, or choose another one with --data. If it holds an installation only, root can give it to this user: \`chown -R ${uid} ${dataDir}\`.`,
    };
  return { check, status: "ok", detail: `${dataDir} (${chosenBy})` };
}

/** What nobody but its owner may read: with it one acts as this installation. */
async function permissions(dataDir: string): Promise<readonly Finding[]> {
  const keys = join(dataDir, "keys");
  const pems = (await entriesOf(keys)).map(({ name }) => name).filter((name) => name.endsWith(".pem"));
  const places = [
    [dataDir, 0o700],
    [keys, 0o700],
    ...pems.map((name) => [join(keys, name), 0o600] as const),
    [join(dataDir, "token"), 0o600],
    [join(dataDir, "control.sock"), 0o600],
    [join(dataDir, "maestro.db"), 0o600],
  ] as const;
  const findings: Finding[] = [];
  for (const [path, wanted] of places) {
    const mode = lstatSync(path, { throwIfNoEntry: false })?.mode;
    if (mode === undefined || (mode & 0o077) === 0) continue;
    const isSecret = path.includes("/keys") || path.endsWith("/token");
    findings.push({
      check: "permissions",
      status: isSecret ? "failed" : "warning",
      detail: `others than its owner can use ${path}: its mode is ${(mode & 0o777).toString(8)}`,
      fix: `\`chmod ${wanted.toString(8)} ${path}\`${isSecret ? "; if others had access to this machine, make a new one (`maestro key rotate`, `maestro token rotate`)" : ""}.`,
      async repair() {
        await chmod(path, wanted);
        return `${path} is for its owner only now`;
      },
    });
  }
  return findings.length > 0
    ? findings
    : [{ check: "permissions", status: "ok", detail: "keys, token, socket and database are for their owner only" }];
}

async function fileSystem(dataDir: string): Promise<readonly Finding[]> {
  const { type, bavail, bsize, files, ffree } = await statfs(dataDir);
  const free = bavail * bsize;
  const amount = `${(free / GIB).toFixed(1)} GiB free`;
  const [name, trouble] = KINDS[type >>> 0] ?? [];
  const isShort = free < LOW_BYTES;
  // Some file systems make inodes as they are needed and say 0.
  const isOutOfInodes = files > 0 && ffree < LOW_INODES;
  return [
    isShort
      ? {
          check: "disk space",
          status: free < NO_BYTES ? "failed" : "warning",
          detail: amount,
          fix: "Free some: `maestro gc`, older backups, other files. When it is full nothing is lost and nothing goes on.",
        }
      : { check: "disk space", status: "ok", detail: amount },
    isOutOfInodes
      ? {
          check: "inodes",
          status: "warning",
          detail: `${ffree} left`,
          fix: "Remove many small files: `maestro gc` for old logs and work folders.",
        }
      : { check: "inodes", status: "ok", detail: files > 0 ? `${ffree} free` : "made as they are needed" },
    name === undefined
      ? { check: "file system", status: "ok", detail: `a local one, type 0x${(type >>> 0).toString(16)}` }
      : {
          check: "file system",
          status: "warning",
          detail: `${name}: ${trouble ?? ""}`,
          fix: "Put the data directory on a local disk: MAESTRO_DATA or --data.",
        },
  ];
}

async function policy(dataDir: string): Promise<Finding> {
  try {
    const { default: clocks, namespaces } = await loadPolicy(dataDir);
    const others = Object.keys(namespaces).length;
    const more = others === 0 ? "" : `; ${others} namespace${others === 1 ? "" : "s"} with clocks of their own`;
    const detail = `${CLOCKS.map((clock) => clockText(clock, clocks)).join(", ")}${more}`;
    return { check: "retention", status: "ok", detail };
  } catch (error) {
    return {
      check: "retention",
      status: "failed",
      detail: messageOf(error),
      fix: "Correct the file; until then nothing is removed.",
    };
  }
}
