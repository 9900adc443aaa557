import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { matchPath } from "./route.ts";
import type { Route } from "./route.ts";
import { ROUTES } from "./routes.ts";

type Found =
  | { readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is there, for other methods. */
  | { readonly allow: readonly string[] };

/** The routes a path may be of: those of exactly this path, and those with as many segments or that take all that follows. */
interface Places {
  readonly exact: ReadonlyMap<string, readonly Route[]>;
  readonly bySegments: ReadonlyMap<number, readonly Route[]>;
}

let places: Places | undefined;

/** Errors: `not_found` with the path that was probably meant. */
export function findRoute(method: string, pathname: string): Found {
  places ??= placesOf(ROUTES);
  const same = places.exact.get(pathname) ?? [];
  const exactly = same.find((route) => route.method === method);
  if (exactly !== undefined) return { route: exactly, params: {} };
  const allow: string[] = same.map((route) => route.method);
  for (const route of places.bySegments.get(Math.min(segmentsOf(pathname), MOST_SEGMENTS)) ?? []) {
    const params = matchPath(route.path, pathname);
    if (params === undefined) continue;
    if (route.method === method) return { route, params };
    allow.push(route.method);
  }
  if (allow.length > 0) return { allow };
  const near = suggest(pathname, new Set(ROUTES.map(({ path }) => path)));
  throw new MaestroError(
    "not_found",
    `There is no ${pathname} in this API.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    {
      fix: "`GET /v1/openapi.json` and docs/reference/api.md have every path.",
    },
  );
}

/** No template has more; what takes all that follows may be longer. */
const MOST_SEGMENTS = 16;

function placesOf(routes: readonly Route[]): Places {
  const exact = new Map<string, Route[]>();
  const bySegments = new Map<number, Route[]>();
  for (const route of routes) {
    if (!route.path.includes("{")) {
      put(exact, route.path, route);
      continue;
    }
    const least = segmentsOf(route.path);
    const most = route.path.endsWith("*}") ? MOST_SEGMENTS : least;
    for (let segments = least; segments <= most; segments++) put(bySegments, segments, route);
  }
  return { exact, bySegments };
}

function put<K>(map: Map<K, Route[]>, key: K, route: Route): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [route]);
  else list.push(route);
}

function segmentsOf(path: string): number {
  let count = 1;
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) count += 1;
  return count;
}
