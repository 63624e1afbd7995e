"""What is done for a resource, a module for each sort of kind; `loop.reconciler` calls it."""
