/** What a gate can carry out. A decision that asks for anything else is a deny. */
export const OBLIGATION_TYPES = ["approval", "step-up", "redact", "notify"] as const;
