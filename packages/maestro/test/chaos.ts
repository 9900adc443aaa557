// npm run chaos: kills engines at work and looks whether every promise was kept.
//   npm run chaos                          200 kills, a new seed
//   npm run chaos -- --seed 7 --kills 50   the same moments again, as far as a machine can repeat itself
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { ChaosError, chaos } from "./support/chaos/driver.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    kills: { type: "string", default: "200" },
    quiet: { type: "boolean", default: false },
  },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const kills = Number(values.kills);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(kills) || kills < 0) {
  console.error("--seed and --kills take whole numbers");
  process.exit(2);
}
console.log(`seed ${seed}, ${kills} kills: again with \`npm run chaos -- --seed ${seed} --kills ${kills}\``);
try {
  const { findings, ...counts } = await chaos({
    seed,
    kills,
    ...(values.quiet ? {} : { report: (line) => console.log(line) }),
  });
  console.log(
    `${counts.kills} kills of ${counts.processes} processes, ${counts.rounds} rounds, ${counts.runs} runs, ${counts.lost} attempts lost and made up for`,
  );
  for (const { check, what } of findings) console.log(`BROKEN: ${check}: ${what}`);
  console.log(
    findings.length === 0 ? "every promise was kept" : `${findings.length} promises were broken (seed ${seed})`,
  );
  process.exitCode = findings.length === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof ChaosError)) throw error;
  for (const problem of error.problems) console.log(`BROKEN: ${problem}`);
  process.exitCode = 1;
}
