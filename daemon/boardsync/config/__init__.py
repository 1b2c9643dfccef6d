"""The settings: their model, the loader that knows line numbers, and secrets."""
