"""Networks as rules see them: linear maps inside segments, and what lies between the segments."""
