"""One module a kind of data set: from files (or a seed) to a ``DecodedDataset``."""
