import type { Actor, ApprovalRequested } from "./event.ts";
import type { Digest } from "./digest.ts";
import { MaestroError } from "./problem.ts";
import type { ApprovalNote } from "./run.ts";

/** Where an approval stands: one denial decides, else the count of distinct people. */
export function tally(request: ApprovalRequested, votes: readonly ApprovalNote[]): "open" | "approved" | "denied" {
  if (votes.some((vote) => vote.verdict === "deny")) return "denied";
  return votes.length >= request.count ? "approved" : "open";
}

/** Throws where `by` may not vote, with the reason. What was seen is what runs: the vote names the plan digest. */
export function checkVote(
  request: ApprovalRequested,
  votes: readonly ApprovalNote[],
  vote: { readonly by: Actor; readonly planDigest: Digest; readonly verdict: "approve" | "deny" },
  requester: Actor,
  now: number,
): void {
  if (now >= request.expiresAt)
    throw new MaestroError("conflict", `approval ${request.approval} has expired, which counts as a denial`);
  if (vote.planDigest !== request.planDigest) {
    throw new MaestroError(
      "plan_changed",
      `the vote names plan ${vote.planDigest}, the run executes ${request.planDigest}`,
      { facts: { plan: request.planDigest } },
    );
  }
  if (
    request.notRequester &&
    vote.verdict === "approve" &&
    vote.by.type === requester.type &&
    vote.by.id === requester.id
  ) {
    throw new MaestroError("denied", `${vote.by.id} asked for this run and may not approve it`, {
      fix: "Ask somebody else to approve it.",
    });
  }
  if (request.roles.length > 0 && !request.roles.some((role) => vote.by.roles.includes(role))) {
    throw new MaestroError("denied", `${vote.by.id} has none of the roles ${request.roles.join(", ")}`, {
      fix: "Ask somebody who has one of these roles.",
    });
  }
  if (votes.some((earlier) => earlier.by.type === vote.by.type && earlier.by.id === vote.by.id)) {
    throw new MaestroError("conflict", `${vote.by.id} has voted on ${request.approval} already`);
  }
}
