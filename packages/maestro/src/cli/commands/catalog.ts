import type { CommandSpec } from "../spec.ts";

/** Workflows that are stored, and run by their name. */
export const CATALOG: readonly CommandSpec[] = [
  {
    name: "catalog publish",
    group: "objects",
    summary: "publish manifests: signed versions that run by their name and never change",
    description:
      "Compiles the manifests, signs name, version, plan and manifest with this installation's key, and stores them for good. The same content again is no change. " +
      "Another content under a version that was published is refused with exit code 6: raise `metadata.version`. If one of them is broken, none is published.",
    args: [{ name: "file", about: "Manifest files, `-` for stdin", many: true }],
    options: [],
    examples: [
      ["maestro catalog publish release.maestro.yaml", "one manifest"],
      ["maestro catalog publish runbooks/*.maestro.yaml", "several"],
    ],
    load: () => import("../command/catalog-publish.ts"),
  },
  {
    name: "catalog list",
    group: "objects",
    summary: "list what can be run by name: watched files and published versions",
    description:
      "Files of the folder that `maestro up FOLDER` watches come first, with what is wrong with them; then published versions, the newest first.",
    args: [{ name: "name", about: "Only workflows of this name", optional: true }],
    options: [
      { flags: "--namespace <name>", about: "Only this namespace" },
      { flags: "--all", about: "Also what was never published and merely ran here" },
    ],
    examples: [
      ["maestro catalog list", "all of them"],
      ["maestro catalog list orders -o name", "the versions of one"],
    ],
    load: () => import("../command/catalog-list.ts"),
  },
  {
    name: "catalog show",
    group: "objects",
    summary: "show a stored workflow: its plan, where it comes from and its versions",
    description:
      "What was published is verified before it is shown. Without a version it is what a run by this name would follow.",
    args: [{ name: "name", about: "name, namespace/name or either with @version" }],
    options: [
      { flags: "--manifest", about: "Only its manifest, as it was published" },
      { flags: "--plan", about: "Only its plan, as JSON" },
      { flags: "--signature", about: "Only its signature, a bundle that `maestro verify` takes" },
    ],
    examples: [
      ["maestro catalog show orders", "what `maestro run orders` would follow"],
      ["maestro catalog show orders@1.0.0 --signature > orders.sigstore.json", "its signature, for somebody else"],
    ],
    load: () => import("../command/catalog-show.ts"),
  },
  {
    name: "catalog diff",
    group: "objects",
    summary: "say in words in what two plans differ",
    description:
      "Of stored workflows, manifest files, or one of each. Exit code 0 where they do the same, 1 where they differ; with `-o json` every change with its path and both values.",
    args: [
      { name: "from", about: "A stored workflow or a manifest file" },
      { name: "to", about: "The other one" },
    ],
    options: [],
    examples: [
      ["maestro catalog diff orders@1.0.0 orders@1.1.0", "two versions"],
      ["maestro catalog diff orders orders.maestro.yaml", "what is published and what is about to be"],
    ],
    load: () => import("../command/catalog-diff.ts"),
  },
];
