/** What callers of the API may do how often, in the data directory; absent: the defaults. */
export const NETWORK_FILE = "network.yaml";
