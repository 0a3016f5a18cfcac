"""Published values, claims of papers, and the verdict that records give on each claim."""
