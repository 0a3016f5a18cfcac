"""Projects that ``benchsuite new`` writes; they work as they are."""

from benchsuite.registry.scaffold.commands import in_this_environment, install_command
from benchsuite.registry.scaffold.contributions import CONTRIBUTIONS, Made, create_contribution
from benchsuite.registry.scaffold.rule_project import STARTS, create_rule_project, trial_of_rule

__all__ = [
    "CONTRIBUTIONS",
    "STARTS",
    "Made",
    "create_contribution",
    "create_rule_project",
    "in_this_environment",
    "install_command",
    "trial_of_rule",
]
