"""What happens in a step and in an epoch: one step function, the loop, seeds, clock, checkpoints and devices."""
