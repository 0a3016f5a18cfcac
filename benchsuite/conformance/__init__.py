"""Conformance of rules: sample networks, the kit of contract checks, and the audit of declared traits."""
