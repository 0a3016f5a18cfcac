"""Small networks with data, and trials of a rule on one: shared by the conformance kit and the audit."""

from benchsuite.conformance.samples.against_backprop import Agreement, agreement_with_backprop
from benchsuite.conformance.samples.networks import DIGITS_NETWORKS, SAMPLE_NETWORKS, CustomMap, SampleNetwork
from benchsuite.conformance.samples.trial import Trial, cosine, differing

__all__ = [
    "DIGITS_NETWORKS",
    "SAMPLE_NETWORKS",
    "Agreement",
    "CustomMap",
    "SampleNetwork",
    "Trial",
    "agreement_with_backprop",
    "cosine",
    "differing",
]
