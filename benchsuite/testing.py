"""The conformance kit: a pytest suite that checks that a rule keeps the contract of ``benchsuite.credit.rule``.

In the tests of a rule's author::

    from benchsuite.testing import RuleConformance
    from my_package.my_rule import MyRule

    class TestMyRule(RuleConformance):
        rule = MyRule

That is all; ``pytest`` then runs every check on every sample network that the rule can work in. ``RuleConformance``
lists the settings; linear maps have ``LinearMapConformance``, nonlinearities ``NonlinearityConformance``;
``select_covering_set`` keeps the tests of a package with many rules short. This package imports
pytest; ``benchsuite`` itself does not.
"""

from benchsuite.conformance.kit.cases import only_where, select_covering_set
from benchsuite.conformance.kit.conformance import RuleConformance
from benchsuite.conformance.kit.guards import GlobalState, HostReadError, no_host_reads
from benchsuite.conformance.kit.map_checks import LinearMapConformance, NonlinearityConformance
from benchsuite.conformance.samples.networks import SAMPLE_NETWORKS, CustomMap, SampleNetwork
from benchsuite.conformance.samples.trial import Trial

__all__ = [
    "SAMPLE_NETWORKS",
    "CustomMap",
    "GlobalState",
    "HostReadError",
    "LinearMapConformance",
    "NonlinearityConformance",
    "RuleConformance",
    "SampleNetwork",
    "Trial",
    "no_host_reads",
    "only_where",
    "select_covering_set",
]
