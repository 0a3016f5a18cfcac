"""Projects that ``benchsuite new`` writes; they work as they are."""

from benchsuite.registry.scaffold.rule_project import create_rule_project

__all__ = ["create_rule_project"]
