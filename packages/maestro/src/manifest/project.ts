/**
 * Whether a maestro.yaml is a project's settings and no manifest. Told by one line, because every command looks and few
 * manifests are small.
 */
export function isProject(text: string): boolean {
  return /^kind:\s*["']?Project["']?\s*(#.*)?$/m.test(text);
}
