/**
 * The parts of a stream until it ends or the signal is aborted; the stream is cancelled when its reader leaves early.
 * A Request's own signal is no substitute: it stops following the one it was made with once the Request is collected,
 * and a stream that is watched for hours outlives its Request.
 */
export async function* partsOf(stream: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let left: Promise<void> | undefined;
  const leave = (): void => {
    left ??= reader.cancel();
  };
  signal.addEventListener("abort", leave);
  try {
    if (signal.aborted) return;
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    signal.removeEventListener("abort", leave);
    leave();
    await left;
  }
}
