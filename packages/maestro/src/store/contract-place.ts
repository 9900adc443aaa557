import { after, before } from "node:test";
import type { Store } from "./store.ts";

/** An empty place for one store: opened, closed and opened again. */
export interface StorePlace {
  open(): Promise<Store>;
  remove(): Promise<void>;
}

/**
 * The store that the tests of one suite share: opened at a place of its own before them, closed and removed after them. `use` is
 * told of it each time that it is opened; what is returned closes it and opens it again.
 */
export function sharedStore(makePlace: () => Promise<StorePlace>, use: (store: Store) => void): () => Promise<void> {
  let place: StorePlace;
  let store: Store;
  const open = async (): Promise<void> => {
    store = await place.open();
    use(store);
  };
  before(async () => {
    place = await makePlace();
    await open();
  });
  after(async () => {
    await store.close();
    await place.remove();
  });
  return async () => {
    await store.close();
    await open();
  };
}
