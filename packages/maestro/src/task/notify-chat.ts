import type { JsonObject } from "../core/json.ts";
import { shortened } from "./notification.ts";
import type { Notification, Severity, StepFacts } from "./notification.ts";

/** What Slack takes at most, by the reference of its Block Kit. */
const SLACK = { header: 150, section: 3000, fields: 10, field: 2000, button: 75 };
/** Teams takes 28 KB for the whole message. */
const TEAMS_BYTES = 27 * 1024;
const TEAMS_PARAGRAPHS = 60;
/** Characters of the text, and of each value if that is fewer than 500: the first that fits. */
const TEAMS_TEXT = [4000, 1000, 250, 60];

const EMOJI: Readonly<Record<Severity, string>> = {
  info: "ℹ️",
  success: "✅",
  warning: "⚠️",
  error: "❌",
  critical: "🚨",
};
/** Colours of Adaptive Cards. */
const COLOURS: Readonly<Record<Severity, string>> = {
  info: "accent",
  success: "good",
  warning: "warning",
  error: "attention",
  critical: "attention",
};

/** A message of an incoming webhook of Slack. */
export function slackMessage(notification: Notification, facts: StepFacts): JsonObject {
  const { title, text, severity = "info", fields = [], link } = notification;
  const heading = `${EMOJI[severity]} ${title}`;
  const blocks: JsonObject[] = [
    { type: "header", text: { type: "plain_text", text: shortened(heading, SLACK.header), emoji: true } },
  ];
  if (text !== undefined && text.trim() !== "")
    for (const piece of escapedPieces(text, SLACK.section)) blocks.push({ type: "section", text: markup(piece) });
  for (let from = 0; from < fields.length; from += SLACK.fields) {
    const some = fields.slice(from, from + SLACK.fields);
    blocks.push({
      type: "section",
      fields: some.map(({ name, value }) =>
        // A name has at most 100 characters, each of which may become five.
        markup(`*${escaped(name)}*\n${firstPiece(String(value), SLACK.field - 600)}`),
      ),
    });
  }
  if (link !== undefined)
    blocks.push({
      type: "actions",
      elements: [
        {
          type: "button",
          text: { type: "plain_text", text: shortened(link.title ?? "Open", SLACK.button), emoji: false },
          url: link.url,
        },
      ],
    });
  blocks.push({ type: "context", elements: [markup(escaped(origin(facts)))] });
  // Where blocks are not shown: in notifications of the system and for screen readers.
  return { text: escaped(heading), blocks };
}

/** A message of a Teams workflow: an envelope with one Adaptive Card. */
export function teamsMessage(notification: Notification, facts: StepFacts): JsonObject {
  let message: JsonObject = {};
  for (const limit of TEAMS_TEXT) {
    message = envelope(notification.title, card(notification, facts, limit));
    if (Buffer.byteLength(JSON.stringify(message)) <= TEAMS_BYTES) break;
  }
  return message;
}

function envelope(summary: string, content: JsonObject): JsonObject {
  const attachment = { contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null, content };
  return { type: "message", summary, attachments: [attachment] };
}

function card(notification: Notification, facts: StepFacts, limit: number): JsonObject {
  const { title, text = "", severity = "info", fields = [], link } = notification;
  const lines = shortened(text, limit)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  const shown = lines.length > TEAMS_PARAGRAPHS ? [...lines.slice(0, TEAMS_PARAGRAPHS - 1), "…"] : lines;
  return {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [
      paragraph([{ text: `${EMOJI[severity]} ${title}`, weight: "bolder", size: "large", color: COLOURS[severity] }]),
      ...shown.map((line) => paragraph([{ text: line }])),
      ...fields.map(({ name, value }) =>
        paragraph([{ text: `${name}: `, weight: "bolder" }, { text: shortened(String(value), Math.min(limit, 500)) }]),
      ),
      paragraph([{ text: origin(facts), isSubtle: true, size: "small" }]),
    ],
    ...(link === undefined
      ? {}
      : { actions: [{ type: "Action.OpenUrl", title: link.title ?? "Open", url: link.url }] }),
    msteams: { width: "Full" },
  };
}

export function origin({ id, namespace, task, item }: StepFacts): string {
  return `Maestro · ${namespace} · run ${id} · task ${task}${item === undefined ? "" : `[${item}]`}`;
}

/** Text runs have no Markdown, other than text blocks: nothing that came from outside becomes a link. */
function paragraph(runs: readonly JsonObject[]): JsonObject {
  return { type: "RichTextBlock", inlines: runs.map((run) => ({ type: "TextRun", ...run })) };
}

/** `verbatim`: addresses and names of channels in it are not made into links. */
function markup(text: string): JsonObject {
  return { type: "mrkdwn", text, verbatim: true };
}

/** The three characters with which everything begins that Slack carries out (mentions, links, dates). */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Escaped text in pieces of at most so many characters, cut neither inside a character nor inside an entity. */
function escapedPieces(text: string, limit: number): readonly string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const character of text) {
    const next = escaped(character);
    if (piece.length + next.length > limit) {
      pieces.push(piece);
      piece = "";
    }
    piece += next;
  }
  return [...pieces, piece];
}

function firstPiece(text: string, limit: number): string {
  const [first = "", ...rest] = escapedPieces(text, limit - 1);
  return rest.length === 0 ? first : `${first}…`;
}
