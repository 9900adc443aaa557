/** An environment variable that means something here: `maestro help environment` and the reference are made from this. */
export interface VariableSpec {
  readonly name: string;
  readonly about: string;
  /** What holds without it, and what it may be, where there is something to say. */
  readonly otherwise?: string;
  readonly values?: string;
  /** The flag that goes before it. */
  readonly flag?: string;
  /** Read by a library or by Node.js itself, so that its name is nowhere in our code. */
  readonly elsewhere?: true;
}

export interface VariableGroup {
  readonly title: string;
  /** Left out of `maestro help environment`, which names the group only. */
  readonly summary?: string;
  readonly variables: readonly VariableSpec[];
}

/** Every variable. What is not here has no meaning to Maestro; a test compares it with the code. */
export const VARIABLES: readonly VariableGroup[] = [
  {
    title: "Where to work",
    variables: [
      {
        name: "MAESTRO_DATA",
        flag: "--data",
        about: "Data directory.",
        otherwise:
          "the nearest maestro.yaml of kind Project or .maestro folder here or above that belongs to you, else the current context, else $XDG_DATA_HOME/maestro",
      },
      {
        name: "MAESTRO_SERVER",
        flag: "--server",
        about: "URL of a control plane to work on instead.",
        values: "http:// or https://, without user, query and fragment",
      },
      {
        name: "MAESTRO_CONTEXT",
        flag: "--context",
        about: "Name of a context of the configuration to work in.",
        otherwise: "that of the project, else `current`",
      },
      {
        name: "MAESTRO_TOKEN_FILE",
        flag: "--token-file",
        about: "File with the token of the server.",
        otherwise: "tokenFile of the context with that server",
      },
      {
        name: "ACTIONS_ID_TOKEN_REQUEST_URL",
        about: "Where GitHub Actions gives a job its token, for `maestro login --ci`.",
      },
      { name: "ACTIONS_ID_TOKEN_REQUEST_TOKEN", about: "The job's right to ask there; never printed." },
      { name: "MAESTRO_TOKEN", about: "The token itself; goes before MAESTRO_TOKEN_FILE and is never printed." },
    ],
  },
  {
    title: "An engine that stays",
    variables: [
      {
        name: "MAESTRO_LISTEN",
        flag: "--listen",
        about: "Where `maestro up` listens.",
        otherwise: "127.0.0.1:7717",
        values: "HOST:PORT, HOST, :PORT, or none; port 0 is any free one",
      },
      {
        name: "MAESTRO_ISSUER",
        flag: "--issuer",
        about: "What other systems know this installation by, in tokens that its tasks get.",
        otherwise: "the address it listens on",
        values: "an https URL; http on this machine only",
      },
      {
        name: "MAESTRO_LOG_FORMAT",
        flag: "--log-format",
        about: "Lines of `maestro up`.",
        otherwise: "text in a terminal, else json",
        values: "json or text",
      },
      {
        name: "MAESTRO_LOG_LEVEL",
        flag: "--log-level",
        about: "The least that `maestro up` tells.",
        otherwise: "info",
        values: "debug, info, warn or error",
      },
      {
        name: "MAESTRO_KEY_PASSPHRASE",
        about: "Passphrase of the signing key, at its making and at every start.",
        otherwise: "the key is kept unencrypted, readable for its owner only",
      },
    ],
  },
  {
    title: "Traces",
    summary: "Where traces go and how, as OpenTelemetry defines it; OTEL_EXPORTER_OTLP_ENDPOINT turns them on.",
    variables: [
      {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        flag: "--otlp",
        about: "Receiver of traces over HTTP, to which /v1/traces is added.",
        otherwise: "no traces",
      },
      { name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", about: "The same, with its whole path." },
      { name: "OTEL_EXPORTER_OTLP_HEADERS", about: "Headers of each request, such as a token.", elsewhere: true },
      {
        name: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        about: "The same, for traces only.",
        elsewhere: true,
      },
      {
        name: "OTEL_EXPORTER_OTLP_CERTIFICATE",
        about: "File with the certificates that the receiver's is checked with.",
        elsewhere: true,
      },
      { name: "OTEL_EXPORTER_OTLP_TIMEOUT", about: "Milliseconds for one batch with its retries.", otherwise: "3000" },
      { name: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", about: "The same, for traces only." },
      {
        name: "OTEL_EXPORTER_OTLP_PROTOCOL",
        about: "Another one than http/json is not spoken; a warning says so.",
        otherwise: "http/json",
      },
      { name: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", about: "The same, for traces only." },
      { name: "OTEL_TRACES_EXPORTER", about: "Without otlp in it there are no traces.", otherwise: "otlp" },
      {
        name: "OTEL_TRACES_SAMPLER",
        about: "Which runs are traced.",
        otherwise: "parentbased_always_on",
        values: "always_on, always_off, traceidratio, each also with parentbased_ in front",
      },
      { name: "OTEL_TRACES_SAMPLER_ARG", about: "The share of traceidratio.", otherwise: "1", values: "0 to 1" },
      {
        name: "OTEL_BSP_MAX_QUEUE_SIZE",
        about: "Spans that wait at most.",
        otherwise: "8192",
        values: "1 to 999,999,999",
      },
      {
        name: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        about: "Spans of one request at most.",
        otherwise: "512",
        values: "1 to 999,999,999, and not more than the queue",
      },
      {
        name: "OTEL_BSP_SCHEDULE_DELAY",
        about: "Milliseconds that spans wait for others.",
        otherwise: "1000",
        values: "1 to 999,999,999",
      },
      {
        name: "OTEL_BSP_EXPORT_TIMEOUT",
        about: "Milliseconds after which a batch is given up.",
        otherwise: "30000",
        values: "1 to 999,999,999",
      },
      {
        name: "OTEL_SERVICE_NAME",
        about: "The service's name in traces.",
        otherwise: "summit-maestro",
        elsewhere: true,
      },
      {
        name: "OTEL_RESOURCE_ATTRIBUTES",
        about: "Further attributes of the service, key=value by commas.",
        elsewhere: true,
      },
      { name: "OTEL_SDK_DISABLED", about: "No traces, whatever else is set.", otherwise: "false", values: "true" },
    ],
  },
  {
    title: "Object storage",
    summary: "Where `maestro audit --export s3://…` goes, by the names that every tool for S3 reads.",
    variables: [
      { name: "AWS_ACCESS_KEY_ID", about: "Who writes there." },
      { name: "AWS_SECRET_ACCESS_KEY", about: "Its secret." },
      { name: "AWS_SESSION_TOKEN", about: "Of temporary credentials." },
      { name: "AWS_REGION", about: "Of the bucket.", otherwise: "us-east-1" },
      {
        name: "AWS_ENDPOINT_URL",
        about: "A store that is not Amazon's.",
        otherwise: "Amazon S3 in that region",
        values: "a URL",
      },
    ],
  },
  {
    title: "Who calls",
    variables: [
      {
        name: "TRACEPARENT",
        about: "W3C trace context of who calls maestro: runs that it starts belong to that trace.",
      },
      { name: "TRACESTATE", about: "The same trace's state, passed on as it is." },
      {
        name: "MAESTRO_REQUEST_ID",
        about:
          "Correlation id of who calls maestro: runs that it starts have it, in logs, events and receipts. Tasks get that of their run.",
        otherwise: "each request has one of its own",
      },
      {
        name: "CI",
        about: "Nothing is asked and nothing drawn in place.",
        otherwise: "as the terminal is",
        values: "anything but false",
      },
      {
        name: "GITHUB_ACTIONS",
        about: "Progress is folded into a group, lint prints annotations.",
        values: "true",
      },
    ],
  },
  {
    title: "The terminal",
    variables: [
      { name: "NO_COLOR", about: "No colour.", values: "anything", elsewhere: true },
      { name: "FORCE_COLOR", about: "Colour, also into a pipe.", values: "1, 2 or 3", elsewhere: true },
      { name: "TERM", about: "dumb: no colour, nothing drawn in place, ASCII shapes. linux: ASCII shapes." },
      { name: "LC_ALL", about: "Without UTF-8 in it: ASCII shapes.", otherwise: "LC_CTYPE, else LANG" },
      { name: "LC_CTYPE", about: "The same." },
      { name: "LANG", about: "The same." },
    ],
  },
  {
    title: "Folders and programs",
    variables: [
      {
        name: "SOURCE_DATE_EPOCH",
        about: "The time that the files of a disclosure package have.",
        values: "seconds since 1970",
        otherwise: "0",
      },
      {
        name: "XDG_CONFIG_HOME",
        about: "Where maestro/config.yaml with the contexts lies.",
        otherwise: "~/.config",
        values: "an absolute path",
      },
      {
        name: "XDG_DATA_HOME",
        about: "Where the data directory lies that nobody chose.",
        otherwise: "~/.local/share",
        values: "an absolute path",
      },
      { name: "XDG_CACHE_HOME", about: "Where compiled code is cached.", otherwise: "~/.cache" },
      { name: "HOME", about: "What ~/ stands for.", otherwise: "the home folder of this user" },
      {
        name: "PATH",
        about: "Where programs of tasks are looked for; the only variable of the engine's that a task gets by itself.",
      },
    ],
  },
];

const WIDTH = 100;
const INDENT = 24;

/** The variables as `maestro help environment` shows them. */
export function variableLines(): string {
  return VARIABLES.flatMap(({ summary, variables }) =>
    summary === undefined ? variables.map(variableText) : [entry(`${prefixOf(variables)}*`, summary)],
  ).join("\n");
}

function variableText({ name, about, otherwise, values, flag }: VariableSpec): string {
  const facts = [
    ...(values === undefined ? [] : [`Values: ${values}.`]),
    ...(otherwise === undefined ? [] : [`Default: ${otherwise}.`]),
    ...(flag === undefined ? [] : [`${flag} goes before it.`]),
  ];
  return entry(name, [about, ...facts].join(" "));
}

/** `OTEL_`: what all of them begin with. */
function prefixOf(variables: readonly VariableSpec[]): string {
  return variables[0]?.name.replace(/_.*$/, "_") ?? "";
}

function entry(term: string, text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && INDENT + last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return `${term.padEnd(INDENT)}${lines.join(`\n${" ".repeat(INDENT)}`)}`;
}
