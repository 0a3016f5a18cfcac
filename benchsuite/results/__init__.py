"""Tables and statistics of records, for both the site and the results that the command prints.

``tables.summarize`` is the entry point. ``grouping`` sorts records into tables of comparable runs, ``row_records`` into
rows of one rule and one setting. ``final`` reads each run's numbers, ``statistics`` and ``curves`` combine the seeds,
``baseline`` compares a row with backprop, ``rows`` builds the row, and ``ranking`` ranks the rows that may be ranked.
The results are the plain data of ``model``, which ``formatting`` turns into text.
"""
