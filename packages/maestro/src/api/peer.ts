/** The addresses that requests came from; a request that came over no network has none. */
const PEERS = new WeakMap<Request, string>();

export function keepPeer(request: Request, address: string | undefined): void {
  if (address !== undefined) PEERS.set(request, address);
}

/** The other end of the connection: behind a proxy it is the proxy. What a header claims is not believed. */
export function peerOf(request: Request): string | undefined {
  return PEERS.get(request);
}
