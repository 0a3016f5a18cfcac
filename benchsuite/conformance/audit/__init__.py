"""The audit: test a rule's ``traits`` on small networks in float64.

One module per test. Each changes or counts something that the rule says it does not use, and compares updates.
"""
