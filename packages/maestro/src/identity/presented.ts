/** Where a credential is looked for: what is read of a request for it. */
export interface Presented {
  readonly method: string;
  readonly url: string;
  readonly headers: Pick<Headers, "get">;
}
