"""Downloads of the site's tables: the content of each file, and its four formats."""
