"""Tables and statistics of records: which runs are comparable, what their seeds say, and who is ahead."""
