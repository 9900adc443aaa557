// The package ships no types and DefinitelyTyped's lag behind its majors; this is its whole interface.
declare module "spdx-expression-parse" {
  namespace parse {
    interface LicenseInfo {
      readonly license: string;
      readonly plus?: true;
      readonly exception?: string;
    }
    interface ConjunctionInfo {
      readonly conjunction: "and" | "or";
      readonly left: Info;
      readonly right: Info;
    }
    type Info = LicenseInfo | ConjunctionInfo;
  }
  /** Throws on what is no SPDX licence expression. */
  function parse(expression: string): parse.Info;
  export = parse;
}
