/** A time in which somebody may go past the policy. */
export interface BreakGlassRow {
  readonly id: string;
  /** Who: `user:anna`. */
  readonly subject: string;
  /** Where; `*`: everywhere. */
  readonly namespace: string;
  readonly reason: string;
  /** Epoch milliseconds; over at `until`, or when it was ended. */
  readonly from: number;
  readonly until: number;
  readonly endedAt: number | null;
  /** Null where it has ended: its time was over. */
  readonly endedBy: string | null;
}

/** What the store remembers of it. Nothing is deleted. Errors as of the store. */
export interface BreakGlassStore {
  put(row: BreakGlassRow): Promise<void>;
  /** Ends it once; `by` is null for the clock. Errors: `not_found` where there is none of that id, `conflict` where it was ended already. */
  end(id: string, end: { readonly at: number; readonly by: string | null }): Promise<BreakGlassRow>;
  get(id: string): Promise<BreakGlassRow | undefined>;
  /** Newest first. */
  list(limit: number): Promise<readonly BreakGlassRow[]>;
  /** Those in whose time `now` is. */
  open(now: number): Promise<readonly BreakGlassRow[]>;
  /** Those whose time is over, and that nobody has ended. */
  over(now: number): Promise<readonly BreakGlassRow[]>;
}
