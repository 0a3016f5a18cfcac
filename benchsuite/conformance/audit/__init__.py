"""The audit: what a rule claims of itself in ``traits``, tested by experiment on small networks in float64.

One module an experiment. Each changes or counts what a rule says it does not use, and sees what becomes of its updates.
"""
