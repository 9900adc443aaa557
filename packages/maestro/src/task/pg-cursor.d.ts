// The package ships no types; this is the part of its interface that is used.
declare module "pg-cursor" {
  import type { Connection, Submittable } from "pg";

  interface CursorResult {
    readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
    /** Once the statement is done: its first word, such as INSERT. */
    readonly command: string | null;
    readonly rowCount: number | null;
  }

  class Cursor implements Submittable {
    constructor(
      text: string,
      values: readonly unknown[],
      config: {
        readonly rowMode: "array";
        readonly types: { readonly getTypeParser: (type: number) => (text: string) => unknown };
      },
    );
    submit(connection: Connection): void;
    /** An answer has no result where the cursor was done before. */
    read(
      count: number,
      done: (error: Error | null | undefined, rows: readonly (readonly unknown[])[], result?: CursorResult) => void,
    ): void;
  }
  export default Cursor;
}
