"""What ``benchsuite new`` writes: small projects that work as they are."""

from benchsuite.registry.scaffold.rule_project import create_rule_project

__all__ = ["create_rule_project"]
