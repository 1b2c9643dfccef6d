"""A world of its own, driven by one seed, in which the real engine, state and planner run."""
