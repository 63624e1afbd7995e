"""From a change to its effects: queue, store, reconciler, poller, status writer."""
