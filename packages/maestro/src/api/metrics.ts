import { route } from "./route.ts";
import { WholeResponse } from "./whole.ts";

export const getMetrics = route({
  method: "GET",
  path: "/metrics",
  operation: "getMetrics",
  access: { action: "metrics.read", as: "read" },
  summary: "The metrics of this moment in Prometheus' text format; each is explained in docs/reference/metrics.md.",
  answers: [{ status: 200, type: "text/plain", description: "`version=0.0.4`, as scrapers expect it." }],
  async handle({ metrics }, { access }) {
    await access.onInstallation();
    const { contentType, text } = await metrics();
    return new WholeResponse(text, { headers: { "content-type": contentType, "cache-control": "no-store" } });
  },
});
