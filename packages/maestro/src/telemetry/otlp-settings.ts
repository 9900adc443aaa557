import { MaestroError } from "../core/problem.ts";

/** How spans are exported. */
export interface OtlpSettings {
  /** Where to; undefined: the exporter takes it from the environment itself, with headers, certificates and the rest. */
  readonly url: string | undefined;
  readonly maxQueue: number;
  readonly maxBatch: number;
  readonly delayMs: number;
  readonly timeoutMs: number;
  /** For one batch with its retries; undefined: the exporter takes it from the environment itself. */
  readonly sendMs: number | undefined;
  readonly sampler: { readonly root: "on" | "off" | "ratio"; readonly ratio: number; readonly byParent: boolean };
  /** What was asked for and is not done. */
  readonly warnings: readonly string[];
}

/** The specification says 10 s. But a request cannot be called back, and so long a command waits whose receiver is away. */
const SEND_MS = 3000;

type Environment = (name: string) => string | undefined;

/**
 * What a flag and the variables of the OpenTelemetry specification ask for; undefined where nobody asks for traces. The flag
 * wins. Errors: `invalid_request` for a flag that is no address.
 */
export function otlpSettings(flag: string | undefined, environment: Environment): OtlpSettings | undefined {
  const read = (name: string): string | undefined => {
    const value = environment(name)?.trim();
    return value === undefined || value === "" ? undefined : value;
  };
  const url = flag === undefined ? undefined : tracesUrl(flag);
  if (read("OTEL_SDK_DISABLED")?.toLowerCase() === "true") return undefined;
  const asked = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") ?? read("OTEL_EXPORTER_OTLP_ENDPOINT");
  const exporters = (read("OTEL_TRACES_EXPORTER") ?? "otlp").split(",").map((name) => name.trim());
  if (url === undefined && (asked === undefined || !exporters.includes("otlp"))) return undefined;
  const maxQueue = count(read("OTEL_BSP_MAX_QUEUE_SIZE"), 8192);
  return {
    url,
    maxQueue,
    maxBatch: Math.min(maxQueue, count(read("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), 512)),
    delayMs: count(read("OTEL_BSP_SCHEDULE_DELAY"), 1000),
    timeoutMs: count(read("OTEL_BSP_EXPORT_TIMEOUT"), 30_000),
    sendMs: (read("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") ?? read("OTEL_EXPORTER_OTLP_TIMEOUT")) ? undefined : SEND_MS,
    sampler: samplerOf(read("OTEL_TRACES_SAMPLER"), read("OTEL_TRACES_SAMPLER_ARG")),
    warnings: [
      ...exporters.filter((name) => name !== "otlp").map((name) => `OTEL_TRACES_EXPORTER=${name} is not known here`),
      ...protocolWarning(read("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? read("OTEL_EXPORTER_OTLP_PROTOCOL")),
      ...samplerWarning(read("OTEL_TRACES_SAMPLER")),
    ],
  };
}

/** The path of the signal is added to the address, as with OTEL_EXPORTER_OTLP_ENDPOINT. */
function tracesUrl(flag: string): string {
  const url = URL.parse(flag);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new MaestroError("invalid_request", `${JSON.stringify(flag)} is no address of an OTLP receiver.`, {
      fix: "Give the address of a collector over HTTP, such as http://127.0.0.1:4318.",
    });
  }
  url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`;
  return url.href;
}

/** A whole number above 0, or what stands in its place: the specification asks to go on where a value is not understood. */
function count(value: string | undefined, otherwise: number): number {
  return value !== undefined && /^[1-9]\d{0,8}$/.test(value) ? Number(value) : otherwise;
}

const SAMPLERS: Readonly<Record<string, "on" | "off" | "ratio">> = {
  always_on: "on",
  always_off: "off",
  traceidratio: "ratio",
};

function samplerOf(name = "parentbased_always_on", argument: string | undefined): OtlpSettings["sampler"] {
  const byParent = name.startsWith("parentbased_");
  const root = SAMPLERS[name.replace("parentbased_", "")];
  if (root === undefined) return { root: "on", ratio: 1, byParent: true };
  const ratio = Number(argument ?? "1");
  return { root, ratio: ratio >= 0 && ratio <= 1 ? ratio : 1, byParent };
}

function samplerWarning(name: string | undefined): string[] {
  if (name === undefined || SAMPLERS[name.replace("parentbased_", "")] !== undefined) return [];
  return [`OTEL_TRACES_SAMPLER=${name} is not known here; parentbased_always_on is used`];
}

function protocolWarning(name: string | undefined): string[] {
  if (name === undefined || name === "http/json") return [];
  return [`OTEL_EXPORTER_OTLP_PROTOCOL=${name} is not spoken here; http/json is`];
}
