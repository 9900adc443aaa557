import { createInterface } from "node:readline/promises";

/** Asks whoever sits at the terminal; on stderr, because stdout is for data. */
export async function ask(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await reader.question(question);
  } finally {
    reader.close();
  }
}
