// A witness that is killed by the kernel when it has kept a checkpoint and has not answered yet.
import { serveWitness } from "../../src/api/witness-server.ts";
import { openWitness } from "../../src/provenance/witness/folder.ts";

const folder = openWitness(process.argv[2] ?? "", undefined);
const server = await serveWitness({
  address: { host: "127.0.0.1", port: 0 },
  deps: {
    key: folder.key,
    sign: (message) => folder.sign(message),
    logs: () => folder.logs(),
    now: Date.now,
    heads: {
      get: (origin) => folder.heads.get(origin),
      keep(head, note) {
        folder.heads.keep(head, note);
        process.kill(process.pid, "SIGKILL");
      },
    },
    seen: () => undefined,
  },
  fault: (error) => console.error(error),
});
console.log(server.url);
