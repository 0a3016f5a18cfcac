"""Diagnostics: measurements of a rule's credit and gradients, for any rule, outside the timed training."""
