"""The one import of a plugin: what authors of rules, data sets, architectures, diagnostics and studies need.

A plugin is a module that an installed distribution names among its entry points::

    [project.entry-points.benchsuite]
    my_rule = "my_package.my_rule"

and that says which contract it was written for and implements some hooks::

    from benchsuite.plugin import ReplacedFeedbackRule, Rule, RuleTraits, hookimpl

    BENCHSUITE_CONTRACT = 2


    class MyRule(ReplacedFeedbackRule):
        name = "my_rule"
        traits = RuleTraits(mechanism="replaced_feedback", source="where it is published")

        def draw_feedback(self, linear_map, generator):
            return linear_map.weight.detach().clone().normal_(0.0, 0.1, generator=generator)


    @hookimpl
    def benchsuite_rules() -> list[type[Rule]]:
        return [MyRule]

``benchsuite new rule my_rule`` writes such a distribution with tests. All hooks are documented in
``benchsuite.registry.hookspecs``; the tests of a rule derive from ``benchsuite.testing.RuleConformance``.

Every plugin: ``hookimpl`` marks a hook, ``CONTRACT_VERSION`` is the newest ``BENCHSUITE_CONTRACT``.

Rules: the contract (``Rule``, ``RuleConfig``, ``RuleTraits``, ``Batch``, ``StepResult``, …); mechanism one, other
weights on the way back (``ReplacedFeedbackRule``, ``LearnedFeedbackRule``, ``FeedbackWeights``,
``DrawnFeedbackConfig``); mechanism two, credit handed to every segment (``record_forward``, ``Tape``, ``TargetRule``);
random numbers that are saved with the run (``RandomStream``, ``normal_noise``, ``wrong_labels``); the network that a
rule sees (``Network``, ``Segment``, ``LinearMap``) and its shapes (``NetworkShapes``); ``tunable``, which marks a
hyperparameter that `benchsuite tune` searches beside the learning rate.

Data sets: ``DecodedDataset`` is what a ``DatasetReader`` returns, ``DataError`` what it raises.

Architectures: an ``ArchitectureBuilder`` returns a spec (``ChainArchitecture`` of ``DenseLayer``, ``Conv2dLayer``, …);
a ``CustomChain``, whose layers may have a ``LinearMap``, a ``Nonlinearity`` or a module of your own (``CustomSegment``,
``CustomActivation``, ``CustomLayer``); or an ``nn.Module``, which is taken over as ``adopt`` does.

Diagnostics: ``Diagnostic`` and what it returns, a ``Measurement``.

Studies: ``Study`` with its ``StudySpec`` and ``StudyResult``, what it reports (``StudyStep``) and what it shows
(``StudySummary`` of ``StudyColumn``, ``StudyRow``, ``StudyFigure`` and ``StudyChart``, from ``estimate`` and
``mean_curve``).

Events: ``RunSpec``, ``EpochMetrics`` and ``RunRecord`` are what the hooks on events get.
"""

from benchsuite.credit import (
    Distribution,
    DrawnFeedbackConfig,
    FeedbackWeights,
    LearnedFeedbackRule,
    MapKind,
    Precision,
    RandomStream,
    ReplacedFeedbackRule,
    ScaleName,
    Tape,
    TargetConfig,
    TargetRule,
    VectorTape,
    normal_noise,
    propagated_credit,
    record_forward,
    record_vector_forward,
    scale_of,
    wrong_labels,
)
from benchsuite.credit.batch import Batch, BatchShard, StepResult
from benchsuite.credit.parameters import LearnedFeedback, ParameterGroup
from benchsuite.credit.phases import Phase
from benchsuite.credit.rule import Rule, RuleConfig
from benchsuite.credit.traits import RuleTraits
from benchsuite.credit.work import CreditWork
from benchsuite.data.tensors import DatasetReader, DecodedDataset
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.errors import AdoptionError, DataError, IncompatibleError, PluginError, ShapeError, SingularMapError
from benchsuite.networks import (
    NONLINEARITIES,
    AdoptedNetwork,
    ArchitectureBuilder,
    Criterion,
    LinearMap,
    Network,
    NetworkShapes,
    Nonlinearity,
    ProbeNorm,
    Segment,
    SegmentShapes,
    adopt,
)
from benchsuite.networks.shapes.custom import CustomActivation, CustomChain, CustomLayer, CustomSegment
from benchsuite.records.model import EpochMetrics, RecordModel, RunRecord
from benchsuite.records.study import StudyResult
from benchsuite.registry import hookimpl
from benchsuite.results.curves import mean_curve
from benchsuite.results.model import CurvePoint, Estimate
from benchsuite.results.statistics import estimate
from benchsuite.results.studies import StudyChart, StudyColumn, StudyFigure, StudyRow, StudySummary
from benchsuite.specs.models.architecture import (
    ArchitectureSpec,
    ChainArchitecture,
    Conv2dLayer,
    DenseLayer,
    Initialization,
    LocallyConnected2dLayer,
    ReadoutSpec,
    ResNetArchitecture,
    SegmentDefaults,
    TorchvisionArchitecture,
)
from benchsuite.specs.models.fixed_layers import (
    ActivationLayer,
    DropoutLayer,
    FlattenLayer,
    GlobalPoolLayer,
    PoolLayer,
    SubsampleLayer,
    SumLayer,
)
from benchsuite.specs.models.study import StudySpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning_budget import tunable
from benchsuite.studies.contract import Study, StudyStep
from benchsuite.version import CONTRACT_VERSION

__all__ = [
    "CONTRACT_VERSION",
    "NONLINEARITIES",
    "ActivationLayer",
    "AdoptedNetwork",
    "AdoptionError",
    "ArchitectureBuilder",
    "ArchitectureSpec",
    "Batch",
    "BatchShard",
    "ChainArchitecture",
    "Conv2dLayer",
    "CreditWork",
    "Criterion",
    "CurvePoint",
    "CustomActivation",
    "CustomChain",
    "CustomLayer",
    "CustomSegment",
    "DataError",
    "DatasetReader",
    "DecodedDataset",
    "DenseLayer",
    "Diagnostic",
    "Distribution",
    "DrawnFeedbackConfig",
    "DropoutLayer",
    "EpochMetrics",
    "Estimate",
    "FeedbackWeights",
    "FlattenLayer",
    "GlobalPoolLayer",
    "IncompatibleError",
    "Initialization",
    "LearnedFeedback",
    "LearnedFeedbackRule",
    "LinearMap",
    "LocallyConnected2dLayer",
    "MapKind",
    "Measurement",
    "Network",
    "NetworkShapes",
    "Nonlinearity",
    "ParameterGroup",
    "Phase",
    "PluginError",
    "PoolLayer",
    "Precision",
    "ProbeNorm",
    "RandomStream",
    "ReadoutSpec",
    "RecordModel",
    "ReplacedFeedbackRule",
    "ResNetArchitecture",
    "Rule",
    "RuleConfig",
    "RuleTraits",
    "RunRecord",
    "RunSpec",
    "ScaleName",
    "Segment",
    "SegmentDefaults",
    "SegmentShapes",
    "ShapeError",
    "SingularMapError",
    "StepResult",
    "Study",
    "StudyChart",
    "StudyColumn",
    "StudyFigure",
    "StudyResult",
    "StudyRow",
    "StudySpec",
    "StudyStep",
    "StudySummary",
    "SubsampleLayer",
    "SumLayer",
    "Tape",
    "TargetConfig",
    "TargetRule",
    "TorchvisionArchitecture",
    "VectorTape",
    "adopt",
    "estimate",
    "hookimpl",
    "mean_curve",
    "normal_noise",
    "propagated_credit",
    "record_forward",
    "record_vector_forward",
    "scale_of",
    "tunable",
    "wrong_labels",
]
