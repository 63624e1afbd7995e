"""The handlers of the kinds, a module each; `loop.reconciler` calls them."""
