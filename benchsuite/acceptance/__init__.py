"""The self-test of a device: parts in processes of their own, each with a share of the time and a deadline."""
