"""The search loop, its store, its evaluators and the binaries: the place that knows all others."""
