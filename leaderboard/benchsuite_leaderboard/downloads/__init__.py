"""The site's tables as files: what each file holds, and the four formats it comes in."""
