"""The benchmark suite behind scripts/bench: what is measured, how, and how it is shown."""
