"""Tuning: queues of trials that several processes share, and the records of tunings."""
