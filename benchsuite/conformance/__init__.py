"""Does a rule keep its word? Sample networks, the conformance kit and the audit."""
