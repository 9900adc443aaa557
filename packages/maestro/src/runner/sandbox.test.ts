import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DEFAULT_LIMITS, limitOf, withDefaults } from "./limits.ts";
import { isolationFrom, readProbe, shortcomings, type Findings } from "./measure.ts";
import { partEnvironment, viewArguments, wallArguments } from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";
import { ProcessTree, type Process } from "./tree.ts";

describe("viewArguments()", () => {
  let root = "";
  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "maestro-view-")));
    for (const folder of [
      "home/.ssh",
      "home/project",
      "home/.local/bin",
      "home/.local/share/keyrings",
      "data/keys",
      "data/work/r_1/a.1",
    ])
      mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, "home", "notes.txt"), "");
  });
  after(() => rm(root, { recursive: true, force: true }));

  const binds = (readable: readonly string[], path = ""): readonly string[] => {
    const args = viewArguments({
      readable: readable.map((name) => join(root, name)),
      programs: [],
      path,
      writable: [],
      hidden: [join(root, "data"), join(root, "data", "work")],
      runDir: join(root, "data", "work", "r_1"),
      lent: [],
      dir: join(root, "data", "work", "r_1", "a.1"),
      network: false,
      home: join(root, "home"),
    });
    return args.flatMap((part, i) =>
      ["--ro-bind", "--bind", "--tmpfs"].includes(part) && args[i + 1]?.startsWith(root)
        ? [`${part} ${args[i + 1]?.slice(root.length + 1)}`]
        : [],
    );
  };
  const own = ["--tmpfs data", "--ro-bind data/work/r_1", "--bind data/work/r_1/a.1"];

  it("shows the base, and of a home only that", () => {
    assert.deepEqual(binds(["home/project"]), ["--ro-bind home/project", ...own]);
  });

  it("shows a home that is the base without its dotfiles", () => {
    assert.deepEqual(binds(["home"]), ["--ro-bind home/project", "--ro-bind home/notes.txt", ...own]);
  });

  it("shows nothing of a home that lies in the base", () => {
    assert.deepEqual(
      binds([""]).filter((bind) => bind.includes("home")),
      [],
    );
  });

  it("shows folders of PATH, but not what else lies beside them", () => {
    assert.deepEqual(binds([], join(root, "home/.local/bin")), ["--ro-bind home/.local/bin", ...own]);
  });

  it("hides the data directory even where it lies in the base or is the base", () => {
    assert.deepEqual(binds(["", "data", "data/keys"]).slice(-3), own);
    assert.deepEqual(binds(["data/keys"]), own);
  });
});

describe("wallArguments()", () => {
  it("cuts the network unless asked, and never gives root a user namespace, in which nobody would still be root", () => {
    assert.ok(wallArguments({ network: false, root: false }).includes("--unshare-net"));
    assert.ok(!wallArguments({ network: true, root: false }).includes("--unshare-net"));
    assert.ok(wallArguments({ network: false, root: false }).includes("--unshare-user"));
    assert.ok(!wallArguments({ network: false, root: true }).includes("--unshare-user"));
    for (const root of [true, false])
      for (const flag of ["--die-with-parent", "--new-session", "--unshare-pid", "--cap-drop"])
        assert.ok(wallArguments({ network: false, root }).includes(flag), flag);
  });
});

describe("partEnvironment()", () => {
  it("holds back what steers a loader", () => {
    const { early, late } = partEnvironment({
      PATH: "/bin",
      LD_PRELOAD: "/x.so",
      LD_AUDIT: "/y.so",
      GLIBC_TUNABLES: "a=b",
      TOKEN: "t",
      BUILD_LD: "1",
    });
    assert.deepEqual(
      early.map(([name]) => name),
      ["PATH", "TOKEN", "BUILD_LD"],
    );
    assert.deepEqual(late, ["LD_PRELOAD=/x.so", "LD_AUDIT=/y.so", "GLIBC_TUNABLES=a=b"]);
  });
});

describe("the probe", () => {
  const output =
    "Uid: 65534\nCapEff: 0000000000000000\npid: pid:[1]\nnet: net:[1]\ninterface:     lo\nhandle: /dev/null\nhandle: pipe:[3]\nhandle: /proc/5/fd\ndone: yes\n";
  const strict: Findings = {
    network: false,
    writableRoot: false,
    capabilities: false,
    ownProcesses: true,
    uid: 65534,
    visible: [],
  };

  it("is read as facts", () => {
    assert.deepEqual(readProbe(output), strict);
    assert.deepEqual(shortcomings(strict), []);
  });

  const weaker: readonly (readonly [string, string, string, RegExp])[] = [
    ["an interface", "lo\n", "lo\ninterface: eth0\n", /network/],
    ["a capability", "CapEff: 0000000000000000", "CapEff: 0000000000200000", /capabilities/],
    ["a writable folder", "done:", "writable: /usr\ndone:", /writable/],
    ["another uid", "Uid: 65534", "Uid: 0", /uid 0/],
    ["a file of ours", "done:", "visible: /data/keys\ndone:", /sees \/data\/keys/],
    ["an open folder", "pipe:[3]", "/home", /sees \/home/],
  ];
  for (const [name, from, to, reason] of weaker) {
    it(`finds ${name}`, () => {
      const findings = readProbe(output.replace(from, to));
      assert.ok(findings !== undefined);
      assert.match(shortcomings(findings).join("; "), reason);
      assert.equal(isolationFrom("strict", "bubblewrap", findings).measured, "partial");
    });
  }

  it("counts for nothing when it did not come to its end", () => {
    assert.equal(readProbe(output.replace("done: yes", "")), undefined);
    assert.equal(readProbe(""), undefined);
  });

  it("never calls it isolated where there is no sandbox", () => {
    assert.equal(isolationFrom("preferred", "none", strict).measured, "none");
  });
});

describe("seccompFilter()", () => {
  /** Runs the program as the kernel would (classic BPF on struct seccomp_data). */
  function evaluate(
    filter: Buffer,
    data: { readonly nr: number; readonly arch: number; readonly args?: readonly number[] },
  ): number {
    const word = (offset: number): number =>
      offset === 0 ? data.nr : offset === 4 ? data.arch : (data.args?.[(offset - 16) / 8] ?? 0);
    let accumulator = 0;
    for (let i = 0; i < filter.length / 8; i++) {
      const code = filter.readUInt16LE(i * 8);
      const value = filter.readUInt32LE(i * 8 + 4);
      if (code === 0x20) accumulator = word(value);
      else if (code === 0x06) return value;
      else {
        const holds =
          code === 0x15 ? accumulator === value : code === 0x35 ? accumulator >= value : (accumulator & value) !== 0;
        i += filter.readUInt8(i * 8 + (holds ? 2 : 3));
      }
    }
    throw new Error("the program has no end");
  }
  const [allow, eperm, enosys] = [0x7fff0000, 0x50001, 0x50026];
  const rows: readonly (readonly [
    string,
    { readonly nr: number; readonly arch?: number; readonly args?: readonly number[] },
    number,
  ])[] = [
    ["read", { nr: 0 }, allow],
    ["execve", { nr: 59 }, allow],
    ["clone of a thread", { nr: 56, args: [0x3d0f00] }, allow],
    ["clone into a user namespace", { nr: 56, args: [0x10000011] }, eperm],
    ["unshare of files", { nr: 272, args: [0x400] }, allow],
    ["unshare of the mount namespace", { nr: 272, args: [0x20000] }, eperm],
    ["clone3, so that clone is used", { nr: 435 }, enosys],
    ["io_uring_setup", { nr: 425 }, enosys],
    ["mount", { nr: 165 }, eperm],
    ["bpf", { nr: 321 }, eperm],
    ["an ordinary ioctl", { nr: 16, args: [0, 0x5401] }, allow],
    ["input faked into a terminal", { nr: 16, args: [0, 0x5412] }, eperm],
    ["a socket file", { nr: 41, args: [1] }, allow],
    ["a socket to the hypervisor", { nr: 41, args: [40] }, 0x50061],
    ["a call of the x32 table", { nr: 0x40000000 + 165 }, enosys],
    ["a call of the 32-bit table", { nr: 21, arch: 0x40000003 }, enosys],
  ];
  for (const [name, data, expected] of rows) {
    it(`${name} on x64`, () => {
      assert.equal(evaluate(seccompFilter("x64") ?? Buffer.alloc(0), { arch: 0xc000003e, ...data }), expected);
    });
  }

  it("is absent where the numbers are not known", () => {
    assert.equal(seccompFilter("riscv64"), undefined);
  });
});

describe("limitOf()", () => {
  const limits = withDefaults({ cpuSeconds: 10, memoryBytes: 1000 });
  const ending = { exit: 1, signal: null, stderrTail: "", peakBytes: 0, cpuMs: 0 };
  const rows: readonly (readonly [
    string,
    Partial<typeof ending> | { readonly exit: null; readonly signal: string; readonly cpuMs?: number },
    string | null,
  ])[] = [
    ["an ordinary failure", {}, null],
    ["SIGXCPU", { exit: null, signal: "SIGXCPU" }, "cpu"],
    ["SIGXCPU of a child of a shell", { exit: 152 }, "cpu"],
    ["SIGKILL after the CPU time", { exit: null, signal: "SIGKILL", cpuMs: 9900 }, "cpu"],
    ["SIGKILL by somebody", { exit: null, signal: "SIGKILL" }, null],
    ["SIGXFSZ", { exit: null, signal: "SIGXFSZ" }, "file"],
    ["EFBIG", { stderrTail: "write error: File too large" }, "file"],
    ["a failed allocation", { stderrTail: "MemoryError" }, "memory"],
    ["memory at the limit", { peakBytes: 950 }, "memory"],
    ["a failed fork", { stderrTail: "sh: 1: Cannot fork" }, "processes"],
    ["success, whatever it said", { exit: 0, stderrTail: "Cannot fork" }, null],
  ];
  for (const [name, changes, expected] of rows) {
    it(`${name}: ${expected ?? "none"}`, () => assert.equal(limitOf({ ...ending, ...changes }, limits), expected));
  }

  it("takes the stated defaults for what a plan does not say", () => {
    assert.deepEqual(withDefaults({ cpuSeconds: 1 }), { ...DEFAULT_LIMITS, cpuSeconds: 1 });
  });
});

describe("ProcessTree", () => {
  // Above the highest pid of Linux, so that no real process is looked at.
  const base = 5_000_000;
  const one = (pid: number, parent: number, changes: Partial<Process> = {}): Process => ({
    pid: base + pid,
    parent: base + parent,
    group: 1,
    session: 1,
    threads: 1,
    cpuMs: 0,
    residentBytes: 0,
    start: pid,
    zombie: false,
    ...changes,
  });
  const pids = (members: readonly Process[]): readonly number[] =>
    members.map((member) => member.pid - base).sort((a, b) => a - b);

  it("has descendants, whatever order the table has, and members of its group and session, but no zombies", () => {
    const tree = new ProcessTree(base + 10, "marker");
    const table = [
      one(12, 11),
      one(11, 10),
      one(10, 1),
      one(20, 1, { group: base + 10 }),
      one(21, 1, { session: base + 10 }),
      one(22, 20),
      one(30, 1),
      one(13, 10, { zombie: true }),
      one(14, 13),
    ];
    assert.deepEqual(pids(tree.members(table)), [10, 11, 12, 14, 20, 21, 22]);
  });

  it("knows an orphan again, but not a stranger who got its pid", () => {
    const tree = new ProcessTree(base + 10, "marker");
    tree.members([one(10, 1), one(11, 10), one(12, 10)]);
    assert.deepEqual(pids(tree.members([one(11, 1), one(12, 1, { start: 99 })])), [11]);
  });
});
