/** Longer ones cannot be unpacked everywhere. */
const MAX_PATH = 255;
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._@-]*$/;
/** What Windows takes for a device, whatever follows the first dot. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/**
 * The paths of a package as they come, each checked before a byte of its file is read: a package may be unpacked by
 * anything, on any machine, and must lie in its own folder there, whole. Throws a SyntaxError that names the path.
 */
export class PackagePaths {
  /** By what a file system that folds case would call them. */
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, string>();

  add(path: string): void {
    const shown = JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
    if (path.length > MAX_PATH) throw new SyntaxError(`the path ${shown} is longer than ${MAX_PATH} characters`);
    if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) throw new SyntaxError(`the path ${shown} is absolute`);
    const segments = path.split("/");
    if (segments.includes("..")) throw new SyntaxError(`the path ${shown} leads out of the package`);
    const odd = segments.find((one) => !SEGMENT.test(one) || one.endsWith(".") || DEVICE.test(one));
    if (odd !== undefined) throw new SyntaxError(`the path ${shown} is not one that every system takes as it stands`);
    claim(this.#files, path, "paths", true);
    if (this.#folders.has(path.toLowerCase())) throw new SyntaxError(`${shown} is a file and a folder`);
    for (let i = 1; i < segments.length; i++) {
      const folder = segments.slice(0, i).join("/");
      claim(this.#folders, folder, "folders", false);
      if (this.#files.has(folder.toLowerCase()))
        throw new SyntaxError(`${JSON.stringify(folder)} is a file and a folder`);
    }
  }
}

function claim(known: Map<string, string>, path: string, what: string, isOnce: boolean): void {
  const other = known.get(path.toLowerCase());
  if (other === path && isOnce) throw new SyntaxError(`the path ${JSON.stringify(path)} occurs twice`);
  if (other !== undefined && other !== path)
    throw new SyntaxError(`the ${what} ${JSON.stringify(other)} and ${JSON.stringify(path)} differ only in case`);
  known.set(path.toLowerCase(), path);
}
