"""Projects that ``benchsuite new`` writes; they work as they are."""

from benchsuite.registry.scaffold.rule_project import STARTS, create_rule_project, install_command

__all__ = ["STARTS", "create_rule_project", "install_command"]
