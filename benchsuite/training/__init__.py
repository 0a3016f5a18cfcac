"""Training: one step function, the epoch loop, seeds, clock, checkpoints and devices."""
