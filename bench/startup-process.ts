// A control plane that opens, says `open` and closes: what startup.ts times.  node bench/startup-process.ts DIR
import { openPlane } from "./plane.ts";

const plane = await openPlane(process.argv[2]!);
console.log("open");
await plane.close();
