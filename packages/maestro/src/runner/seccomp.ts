/**
 * A seccomp filter (classic BPF) for sandboxed commands: a second wall behind the namespaces. It refuses what no
 * build or script needs and what sandbox escapes are made of: new namespaces, mounts, kernel modules, bpf, io_uring,
 * key rings, handles of other mounts, input faked into a terminal, sockets to the hypervisor.
 * Undefined on machines whose system call numbers are not listed here.
 */
export function seccompFilter(arch: string): Buffer | undefined {
  const table = TABLES[arch];
  if (table === undefined) return undefined;
  const program: Instruction[] = [
    load(ARCH),
    // Another system call table (32-bit, x32) would go round the list below.
    ...unless({ code: JEQ, value: table.audit }, [ret(errno(ENOSYS))]),
    load(NR),
    ...when({ code: JGE, value: X32_BIT }, [ret(errno(ENOSYS))]),
    ...table.denied.flatMap((nr) => when({ code: JEQ, value: nr }, [ret(errno(EPERM))])),
    // "Not there" makes libraries fall back to what can be filtered (clone) or to plain system calls (io_uring).
    ...[...IO_URING, CLONE3].flatMap((nr) => when({ code: JEQ, value: nr }, [ret(errno(ENOSYS))])),
    ...[table.clone, table.unshare].flatMap((nr) => onArgument(nr, 0, { code: JSET, value: NEW_NAMESPACES }, EPERM)),
    ...[TIOCSTI, TIOCLINUX].flatMap((request) => onArgument(table.ioctl, 1, { code: JEQ, value: request }, EPERM)),
    // AF_VSOCK has no namespaces: it reaches the machine's host however the network is cut off.
    ...onArgument(table.socket, 0, { code: JEQ, value: AF_VSOCK }, EAFNOSUPPORT),
    ret(ALLOW),
  ];
  return encode(program);
}

interface Instruction {
  readonly code: number;
  readonly value: number;
  readonly jt?: number;
  readonly jf?: number;
}

const LD_W_ABS = 0x20;
const JEQ = 0x15;
const JGE = 0x35;
const JSET = 0x45;
const RET = 0x06;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;

/** Offsets in struct seccomp_data; arguments are 64 bits, their low word first. */
const NR = 0;
const ARCH = 4;
const ARGUMENTS = 16;

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const X32_BIT = 0x40000000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const AF_VSOCK = 40;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACES = 0x7e020000;
const CLONE3 = 435;
const IO_URING = [425, 426, 427];
/** open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr: the same numbers everywhere. */
const NEW_MOUNT_CALLS = [428, 429, 430, 431, 432, 433, 442];

interface Table {
  readonly audit: number;
  readonly denied: readonly number[];
  readonly clone: number;
  readonly unshare: number;
  readonly ioctl: number;
  readonly socket: number;
}

/**
 * `denied`, in this order: mount, umount2, pivot_root, chroot, swapon, swapoff, reboot, init_module, delete_module,
 * finit_module, kexec_load, kexec_file_load, open_by_handle_at, perf_event_open, bpf, userfaultfd, add_key,
 * request_key, keyctl, setns, syslog, acct, quotactl.
 */
const TABLES: Readonly<Record<string, Table>> = {
  x64: {
    audit: 0xc000003e,
    denied: [
      165,
      166,
      155,
      161,
      167,
      168,
      169,
      175,
      176,
      313,
      246,
      320,
      304,
      298,
      321,
      323,
      248,
      249,
      250,
      308,
      103,
      163,
      179,
      ...NEW_MOUNT_CALLS,
    ],
    clone: 56,
    unshare: 272,
    ioctl: 16,
    socket: 41,
  },
  arm64: {
    audit: 0xc00000b7,
    denied: [
      40,
      39,
      41,
      51,
      224,
      225,
      142,
      105,
      106,
      273,
      104,
      294,
      265,
      241,
      280,
      282,
      217,
      218,
      219,
      268,
      116,
      89,
      60,
      ...NEW_MOUNT_CALLS,
    ],
    clone: 220,
    unshare: 97,
    ioctl: 29,
    socket: 198,
  },
};

function load(offset: number): Instruction {
  return { code: LD_W_ABS, value: offset };
}

function ret(value: number): Instruction {
  return { code: RET, value };
}

function errno(number: number): number {
  return ERRNO | number;
}

function when(test: Instruction, then: readonly Instruction[]): readonly Instruction[] {
  return [{ ...test, jt: 0, jf: then.length }, ...then];
}

function unless(test: Instruction, then: readonly Instruction[]): readonly Instruction[] {
  return [{ ...test, jt: then.length, jf: 0 }, ...then];
}

/** Refuses one call by one of its arguments, and loads the number again for the tests that follow. */
function onArgument(nr: number, argument: number, test: Instruction, error: number): readonly Instruction[] {
  return when({ code: JEQ, value: nr }, [load(ARGUMENTS + 8 * argument), ...when(test, [ret(errno(error))]), load(NR)]);
}

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k; both architectures are little-endian. */
function encode(program: readonly Instruction[]): Buffer {
  const buffer = Buffer.alloc(program.length * 8);
  program.forEach(({ code, value, jt = 0, jf = 0 }, i) => {
    buffer.writeUInt16LE(code, i * 8);
    buffer.writeUInt8(jt, i * 8 + 2);
    buffer.writeUInt8(jf, i * 8 + 3);
    buffer.writeUInt32LE(value >>> 0, i * 8 + 4);
  });
  return buffer;
}
