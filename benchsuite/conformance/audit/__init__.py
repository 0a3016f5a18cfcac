"""The audit: test the claims in a rule's ``traits`` by experiment on small networks in float64.

One module per experiment. Each changes or counts something that the rule says it does not use, and compares updates.
"""
