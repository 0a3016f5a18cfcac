"""Tables and statistics of records: the one computation behind the site and the results that the command prints.

``tables.summarize`` is the way in. ``grouping`` sorts records into tables of comparable runs, ``row_records`` into rows
of one rule and one setting; ``final`` takes each run's numbers, ``statistics`` and ``curves`` put the seeds together,
``baseline`` holds a row against backprop, ``rows`` makes the row, and ``ranking`` says which rows are best and which
may not be ranked. All of it is the plain data of ``model``, which ``formatting`` turns into text.
"""
