"""The harness: data, seeds, optimizer, schedule, clock, checkpoints and records, equal for all rules."""
