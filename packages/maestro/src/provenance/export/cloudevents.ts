import type { JsonObject } from "../../core/json.ts";
import type { AuditRecord, ExportPlace } from "./record.ts";

/**
 * A row of the audit as a CloudEvent 1.0 in the structured mode. It has the id of the ledger's event about it, and another
 * type: that one proves by digest, this one says who it was.
 */
export function auditCloudEvent(record: AuditRecord, { source }: ExportPlace): JsonObject {
  const { id, at, place, traceparent, resource, whole } = record;
  return {
    specversion: "1.0",
    id,
    source,
    type: "dev.summit-maestro.audit.entry",
    subject: resource.id === "" ? resource.type : `${resource.type}/${resource.id}`,
    time: new Date(at).toISOString(),
    datacontenttype: "application/json",
    // The extension for order is a text: https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md
    sequence: String(place).padStart(15, "0"),
    ...(traceparent === undefined ? {} : { traceparent }),
    data: whole,
  };
}
