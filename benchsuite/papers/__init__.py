"""Compare the papers' published values and claims with our measurements.

A paper has published values and claims. ``published`` reads the *values* and finds the run that each describes;
``published_lookup`` finds the value for a row of a table. ``claim_cases`` reads the *claims*, which are comparisons of
rules, and expands each into the runs that would decide it. ``evidence`` selects the comparable records of those runs.
``verdicts`` judges the claims and returns the data of ``verdict_model``, which ``verdict_words`` turns into text.
``statements`` combines values and claims for a site to show beside its results.
"""
