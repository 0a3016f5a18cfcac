"""Tuning: which settings are fair? Queues of trials that several processes share, and the records of tunings."""
