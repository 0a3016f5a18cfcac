"""Hold what papers say beside what was measured.

A paper says two kinds of things. ``published`` reads its *numbers* and names the run that each is of;
``published_lookup`` finds the number that belongs beside a row of a table. ``claim_cases`` reads its *claims*, which
are comparisons of rules, and lays each out as the runs that would decide it; ``evidence`` picks the records of those
runs that may be compared; ``verdicts`` judges, and returns the data of ``verdict_model``, which ``verdict_words`` puts
into words. ``statements`` is both together: what a site shows beside its results.
"""
