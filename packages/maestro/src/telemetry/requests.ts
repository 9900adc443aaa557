import { Histogram } from "../engine/histogram.ts";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A request that was answered. `route` is the template of its path, so that there are as many as the API has. */
export interface AnsweredRequest {
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** Until the answer began; a stream goes on after it. */
  readonly seconds: number;
}

/** How long requests took, and how many streams are open. */
export class RequestStats {
  streams = 0;
  private readonly byRoute = new Map<string, Map<string, Map<number, Histogram>>>();

  add({ route, method, status, seconds }: AnsweredRequest): void {
    const byMethod = entry(this.byRoute, route, () => new Map<string, Map<number, Histogram>>());
    const byStatus = entry(byMethod, method, () => new Map<number, Histogram>());
    entry(byStatus, status, () => new Histogram(SECONDS)).add(seconds);
  }

  *all(): Generator<Omit<AnsweredRequest, "seconds"> & { readonly histogram: Histogram }> {
    for (const [route, byMethod] of this.byRoute)
      for (const [method, byStatus] of byMethod)
        for (const [status, histogram] of byStatus) yield { route, method, status, histogram };
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
