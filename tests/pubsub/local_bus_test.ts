import { LocalBus } from "../../src/pubsub/local_bus.ts";
import { testBus } from "../conformance/bus.ts";

testBus("LocalBus", {
  gaps: "alone",
  open: () =>
    Promise.resolve({
      join: (instance) => Promise.resolve(new LocalBus({ instance })),
      inject: () => Promise.resolve(),
      injectRaw: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
});
