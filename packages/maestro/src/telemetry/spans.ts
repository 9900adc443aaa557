/** What became of spans. */
export interface ExportCounts {
  exported: number;
  failed: number;
  dropped: number;
}
