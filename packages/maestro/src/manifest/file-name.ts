/** Manifests among other files: `orders.maestro.yaml`, `maestro.json`. */
export const MANIFEST_NAME = /(^|\.)maestro\.(ya?ml|json)$/;
