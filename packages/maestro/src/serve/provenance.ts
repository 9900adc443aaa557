import { messageOf } from "../core/problem.ts";
import { Ledger } from "../provenance/ledger/ledger.ts";
import { LedgerWatch } from "../provenance/ledger/watch.ts";
import { witnessAlarm } from "../provenance/witness/alarm.ts";
import { Cosigning } from "../provenance/witness/cosigning.ts";
import type { Base } from "./base.ts";
import type { Governance } from "./governance.ts";

/** The log that only grows, and who else sees it. */
export interface Provenance {
  readonly ledger: LedgerWatch;
  readonly cosigning: Cosigning;
}

export async function openProvenance(base: Base & Governance): Promise<Provenance> {
  const { passive, atEnd } = base;
  const cosigning = await openCosigning(base, async () => ledger.get());
  atEnd(() => cosigning.close());
  const ledger = openLedger(base, cosigning);
  if (!passive) await ledger.start();
  atEnd(() => ledger.close());
  return { ledger, cosigning };
}

async function openCosigning(base: Base & Governance, ledger: () => Promise<Ledger>): Promise<Cosigning> {
  const { dataDir, store, passive, now, randomBytes, log, audit } = base;
  return Cosigning.open({
    dataDir,
    store,
    ledger,
    passive,
    now,
    randomBytes,
    alarm(witness, detail) {
      log("error", "a witness has seen another ledger than this one", { witness, detail });
      const failed = (error: unknown): void =>
        log("error", "the audit could not be written", { error: messageOf(error) });
      audit.write(witnessAlarm(witness, detail)).catch(failed);
    },
    failed: (whom, detail) => log("warn", "a checkpoint was not cosigned or timestamped", { by: whom, detail }),
  });
}

function openLedger({ store, keys, now, log, options }: Base, cosigning: Cosigning): LedgerWatch {
  return new LedgerWatch({
    signed: (checkpoint) => cosigning.submit(checkpoint),
    open: async () => Ledger.open({ store, signer: keys.signer, trustRoot: keys.trustRoot, now }),
    broken: (error) => {
      log("error", "the ledger is not the one that was signed", { error: error.message });
      options.broken?.(error);
    },
    failed: (error) =>
      log("warn", "the ledger could not be read or signed; it is tried again", { error: messageOf(error) }),
  });
}
