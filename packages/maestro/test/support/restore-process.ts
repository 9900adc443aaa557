// Restores a backup and says how far it is, so that a test can kill it there; when it comes to the check it stays there.
//   node restore-process.ts FILE TO
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { restoreBackup } from "../../src/operations/restore.ts";

const [file = "", to = ""] = process.argv.slice(2);
watch(dirname(to), (_, name) => {
  if (name?.startsWith(`${basename(to)}.restoring-`) === true) console.log("unpacking");
});
await restoreBackup({
  file,
  to,
  now: Date.now(),
  openStore: () => {
    console.log("checking");
    return new Promise(() => undefined);
  },
});
