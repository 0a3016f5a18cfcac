"""Oracle: the protocols as papers and authors' code have them (FACTS §2.3, §3.3), written down here by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.execution.plan import make_plan
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.models.base import TIERS
from benchsuite.specs.models.track import RunSpec

LIBRARY = SpecLibrary([builtin_folder()])
TRACKS = LIBRARY.names("tracks")
DERIVED = [name for name in TRACKS if "jpeg75" in name]


def paper_runs(registry: Registry, track: str, rules: tuple[str, ...] = ("backprop",)) -> dict[str, RunSpec]:
    runs = resolve(Selection(track, rules=rules, tier="paper", seeds=(0,)), LIBRARY, registry)
    return {run.spec.rule.name: run.spec for run in runs}


@pytest.mark.parametrize("folder", sorted(path.name for path in builtin_folder().iterdir() if path.is_dir()))
def test_every_builtin_spec_is_valid(registry: Registry, folder: str) -> None:
    """References, tiers and the settings of every rule named in them included."""
    library = SpecLibrary([builtin_folder()], registry.study_specs) if folder == "studies" else LIBRARY
    found = {path.name: check_file(path, library, registry) for path in (builtin_folder() / folder).glob("*.yaml")}
    assert found
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("track", TRACKS)
def test_every_track_plans_at_every_tier_with_every_rule_and_no_data(
    registry: Registry, tmp_path: Path, track: str
) -> None:
    """Catches layers that do not fit the data, a tier that no rule can be resolved with, and a plan that downloads."""
    everywhere = ("backprop", "feedback_alignment", "kolen_pollack")
    for tier in TIERS:
        # A tier changes data and protocol, which refuse no rule that another tier takes.
        rules = () if tier == "paper" else everywhere
        runs = resolve(Selection(track, rules=rules, tier=tier, seeds=(0,)), LIBRARY, registry)
        planned = make_plan(runs, registry, tmp_path / "nowhere")
        assert {p.selected.spec.rule.name for p in planned} == set(rules or registry.rules)
        by_rule = {p.selected.spec.rule.name: p for p in planned}
        for rule in everywhere:
            assert by_rule[rule].refused == ()
            assert by_rule[rule].estimate.parameters > 0
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", ["datasets", "architectures", "tracks"])
def test_every_builtin_spec_says_where_it_comes_from(kind: str) -> None:
    for name in LIBRARY.names(kind):  # type: ignore[arg-type]
        source = LIBRARY.load(kind, name).plain().get("source")  # type: ignore[arg-type]
        assert source, f"{kind}/{name} has no source"


@pytest.mark.parametrize(
    ("track", "epochs", "batch_size"),
    [
        ("cifar10-simpnet", 1000, 500),
        ("cifar10-simpnet-half-slope", 1000, 500),
        ("cifar10-deepernet", 200, 500),
        ("cifar10-deepnet", 200, 500),
        ("cifar100-simpnet", 1000, 500),
        ("cifar100-deepernet", 200, 500),
        ("cifar100-deepnet", 200, 500),
        ("cifar10-simpnet-lc", 1000, 50),
        ("cifar10-simpnet-s", 1000, 50),
        ("cifar10-deepnet-s-lc", 1000, 50),
        ("cifar10-deepnet-s", 1000, 50),
    ],
)
def test_urfb_tracks_have_the_papers_protocol(registry: Registry, track: str, epochs: int, batch_size: int) -> None:
    """Catches 10/99 as the weight of CIFAR-100's other classes, which is a variant: by name it is 1/(classes - 1)."""
    spec = paper_runs(registry, track)["backprop"]
    protocol = spec.protocol
    assert (protocol.epochs, protocol.batch_size) == (epochs, batch_size)
    assert (protocol.optimizer.kind, protocol.optimizer.learning_rate) == ("sgd", 0.1)
    assert (protocol.optimizer.momentum, protocol.optimizer.weight_decay) == (0, 0)
    assert (protocol.schedule.kind, protocol.order) == ("constant", "shuffled")
    assert protocol.loss == "one_versus_all_hinge"
    assert "feedback_correlation" in spec.diagnostics.names
    assert spec.dataset.kind == track.split("-")[0]
    assert spec.dataset.train_limit == 45_000
    assert spec.dataset.test_limit is None
    assert spec.dataset.normalization.mean == (0,)
    assert spec.dataset.normalization.std == (1,)


@pytest.mark.parametrize(
    ("tied", "untied"), [("cifar10-simpnet-s", "cifar10-simpnet-lc"), ("cifar10-deepnet-s", "cifar10-deepnet-s-lc")]
)
def test_a_tied_network_differs_from_its_untied_one_in_shared_weights_alone(
    registry: Registry, tied: str, untied: str
) -> None:
    """Catches a comparison of drops or batches: all but the kind of map is the same."""
    for tier in TIERS:
        one, other = (
            resolve(Selection(track, rules=("backprop",), tier=tier, seeds=(0,)), LIBRARY, registry)[0].spec
            for track in (tied, untied)
        )
        assert (one.protocol, one.dataset, one.pretraining) == (other.protocol, other.dataset, other.pretraining)
        layers = [[each.model_dump() for each in spec.architecture.layers] for spec in (one, other)]
        pairs = list(zip(*layers, strict=True))
        assert {(a["kind"], b["kind"]) for a, b in pairs if a["kind"] != b["kind"]} == {
            ("conv2d", "locally_connected2d")
        }
        for a, b in pairs:
            shared = (a.keys() & b.keys()) - {"kind"}
            assert {key: a[key] for key in shared} == {key: b[key] for key in shared}
        assert one.architecture.defaults == other.architecture.defaults


def test_mnist_fc_stops_where_the_gevb_networks_do(registry: Registry) -> None:
    """Catches a network measured, and so stopped, every epoch: the published runs end at a tenth epoch."""
    for track in ("mnist-fc", "mnist-lenet5"):
        assert paper_runs(registry, track)["backprop"].protocol.evaluation.every_epochs == 10


@pytest.mark.parametrize(("track", "inputs", "units"), [("mnist", 784, 500), ("cifar10", 3072, 1000)])
def test_mirror_tracks_have_the_codes_protocol_and_rates(
    registry: Registry, tmp_path: Path, track: str, inputs: int, units: int
) -> None:
    rates = {"backprop": 0.2, "feedback_alignment": 0.2, "kolen_pollack": 0.3}
    runs = paper_runs(registry, f"{track}-mirror-fc", tuple(rates))
    for rule, spec in runs.items():
        protocol = spec.protocol
        assert (protocol.epochs, protocol.batch_size, protocol.last_batch) == (400, 128, "drop")
        assert (protocol.order, protocol.loss) == ("fixed", "binary_cross_entropy")
        assert (protocol.optimizer.kind, protocol.optimizer.learning_rate) == ("sgd", rates[rule])
        assert protocol.optimizer.momentum == 0
        assert spec.dataset.train_limit is None
        assert spec.dataset.normalization.mean == (0,)
        assert spec.dataset.normalization.std == (1,)
        if rule != "backprop":
            assert spec.rule.config["distribution"] == "normal"
            assert spec.rule.config["standard_deviation"] == pytest.approx((units + 10) ** -0.5)
    assert runs["kolen_pollack"].rule.config["decay"] == 0
    selected = resolve(Selection(f"{track}-mirror-fc", tier="paper", rules=("backprop",)), LIBRARY, registry)
    planned = make_plan(selected, registry, tmp_path)
    assert planned[0].estimate.parameters == inputs * units + units + units * 10 + 10


def test_the_mirror_codes_rates_stay_at_paper_tier(registry: Registry) -> None:
    """Catches rates for 400 epochs laid over the twenty with momentum."""
    runs = resolve(Selection("mnist-mirror-fc", tier="quick", seeds=(0,)), LIBRARY, registry)
    for run in runs:
        optimizer = run.spec.protocol.optimizer
        assert (optimizer.learning_rate, optimizer.momentum) == (0.1, 0.9)
        assert (run.spec.protocol.epochs, run.spec.protocol.order) == (40, "shuffled")


@pytest.mark.parametrize("track", DERIVED)
def test_a_jpeg_track_is_its_cifar_track_on_other_data_and_says_so(registry: Registry, track: str) -> None:
    """Catches lossy images taken for CIFAR-10, and a track that drifts from the one it stands in for."""
    original = track.replace("-jpeg75", "")
    for tier in TIERS:
        theirs, ours = (
            [r.spec for r in resolve(Selection(t, tier=tier, seeds=(0,)), LIBRARY, registry)] for t in (original, track)
        )
        for one, other in zip(theirs, ours, strict=True):
            assert one.dataset.kind == "cifar10"
            assert (other.dataset.kind, other.dataset.path) == ("arrays", "cifar10-jpeg75")
            assert one.dataset.train_limit == other.dataset.train_limit
            assert "JPEG" in other.dataset.title
            assert "Not CIFAR-10" in other.dataset.description
            same = ("architecture", "protocol", "diagnostics", "rule")
            assert all(getattr(one, part) == getattr(other, part) for part in same)
    plain = LIBRARY.load("tracks", track).plain()
    assert "JPEG" in plain["title"]
    assert "Not comparable" in plain["description"]


def test_every_cifar10_track_has_its_jpeg_track() -> None:
    originals = {name for name in TRACKS if "cifar10-" in name and name not in DERIVED}
    assert {name.replace("-jpeg75", "") for name in DERIVED} == originals != set()


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("depth", [20, 32, 56])
def test_cifar_resnets_have_he_et_als_protocol(registry: Registry, data: str, depth: int) -> None:
    """64,000 iterations of 128, a tenth of the rate after 32,000 and again after 48,000 (section 4.2)."""
    spec = paper_runs(registry, f"{data}-resnet{depth}")["backprop"]
    protocol, optimizer = spec.protocol, spec.protocol.optimizer
    steps = -(-50_000 // 128)
    assert (protocol.batch_size, protocol.epochs * steps) == (128, pytest.approx(64_000, rel=0.01))
    assert [epoch * steps for epoch in protocol.schedule.epochs] == pytest.approx([32_000, 48_000], rel=0.01)
    assert (optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay) == (0.1, 0.9, 1e-4)
    assert (spec.dataset.kind, spec.dataset.augmentation.padding, spec.dataset.augmentation.flip) == (data, 4, True)
    assert spec.architecture.name == f"resnet{depth}"


RESNET18 = "imagenet-resnet18"


@pytest.mark.parametrize("track", [f"imagenet-resnet{n}{last}" for n in (18, 50) for last in ("", "-norm-last")])
def test_imagenet_resnets_have_the_published_drop_and_data(registry: Registry, track: str) -> None:
    """FACTS 3.3 and 6.3; at paper tier the real images, at the others generated ones that say so."""
    spec = paper_runs(registry, track)["backprop"]
    protocol, optimizer = spec.protocol, spec.protocol.optimizer
    assert (protocol.epochs, protocol.batch_size, protocol.schedule.epochs[0]) == (90, 256, 32)
    assert protocol.schedule.factor == 0.1
    assert (optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay) == (0.1, 0.9, 1e-4)
    data = spec.dataset
    assert (data.kind, data.image_size, data.resize, data.sample, data.train_limit) == (
        "imagenet",
        224,
        256,
        None,
        None,
    )
    assert (data.augmentation.area, data.augmentation.flip) == ((0.08, 1.0), True)
    assert spec.architecture.name == track.removeprefix("imagenet-")
    for tier in ("smoke", "quick"):
        for run in resolve(Selection(track, tier=tier, seeds=(0,)), LIBRARY, registry):
            assert run.spec.dataset.sample is not None
            assert "Generated" in run.spec.dataset.title


def test_alexnets_track_has_the_sign_symmetry_codes_protocol(registry: Registry) -> None:
    """FACTS 6.2, 6.3: a tenth of the rate every 10 of 90 epochs; the rest as the ResNets, batch norm and no dropout."""
    rules = ("backprop", "sign_symmetry")
    runs, residual = (paper_runs(registry, track, rules) for track in ("imagenet-alexnet-norm", RESNET18))
    protocol = runs["backprop"].protocol
    assert protocol.schedule.epochs == tuple(range(10, 90, 10))
    assert (protocol.schedule.factor, protocol.epochs, protocol.optimizer) == (
        0.1,
        90,
        residual["backprop"].protocol.optimizer,
    )
    assert runs["sign_symmetry"].rule == residual["sign_symmetry"].rule
    plan = shapes_of(runs["backprop"].architecture, (3, 224, 224), 1000)
    assert len(plan.segments) == 8


def test_the_weight_transport_suite_is_the_published_table(registry: Registry, tmp_path: Path) -> None:
    """Each published value has its cell, and its cells can be planned without images or a device."""
    runs = resolve(Selection("weight-transport-imagenet"), LIBRARY, registry)
    cells = {(run.spec.track, run.spec.rule.name) for run in runs}
    entries = LIBRARY.load("reference", "weight-mirror").plain()["entries"]
    published = {(e["track"], e["rule"]) for e in entries if e.get("track", "").startswith("imagenet")}
    assert len(published) == 12
    assert published <= cells
    planned = make_plan(runs, registry, tmp_path)
    assert not any(run.refused for run in planned)
    # 1.8 and 4.1 billion products an image forward, three times that in training, 90 epochs of 1.28 million images.
    for track, products in (("imagenet-resnet18", 1.8e9), ("imagenet-resnet50", 4.1e9)):
        found = next(p.estimate.flops_total for p in planned if p.selected.spec.track == track)
        assert found == pytest.approx(2 * 3 * products * 90 * 1_281_167, rel=0.05)


GEVB = [
    f"{data}-{net}-{family}-{sign}"
    for data in ("mnist", "cifar10")
    for net in ("fc", "conv", "lc")
    for family in ("vectorized", "conventional")
    for sign in ("nonnegative", "mixed")
]


@pytest.mark.parametrize("track", GEVB)
def test_gevb_tracks_have_the_papers_protocol(registry: Registry, track: str) -> None:
    """Catches a tier's limits at paper tier, a network of another cell, and feedback of the wrong sign."""
    runs = paper_runs(registry, track, ("backprop", "direct_feedback_alignment"))
    for spec in runs.values():
        protocol, optimizer = spec.protocol, spec.protocol.optimizer
        assert (protocol.epochs, protocol.batch_size, protocol.last_batch) == (190, 128, "keep")
        assert (optimizer.kind, optimizer.learning_rate, optimizer.weight_decay) == ("adam", 3e-4, 0)
        assert (optimizer.beta1, optimizer.beta2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
        assert (protocol.loss, protocol.schedule.kind, protocol.order) == ("cross_entropy", "constant", "shuffled")
        assert protocol.stop_at_zero_train_error
        assert protocol.evaluation.every_epochs == spec.diagnostics.every_epochs == 10
        assert (spec.diagnostics.names[0], spec.diagnostics.examples) == ("credit_angle_deg", 128)
        assert ("credit_spread_ratio" in spec.diagnostics.names) == ("vectorized" in track)
        assert spec.dataset.kind == track.split("-")[0]
        assert (spec.dataset.train_limit, spec.dataset.test_limit) == (None, None)
        assert (spec.dataset.normalization.mean, spec.dataset.normalization.std) == ((0.5,), (0.5,))
        assert spec.architecture.name == f"gevb-{track}"
    feedback = runs["direct_feedback_alignment"].rule.config
    is_nonnegative = "conventional-nonnegative" in track
    assert feedback == {
        "distribution": "uniform",
        "range": 1,
        "sign": "nonnegative" if is_nonnegative else "mixed",
        "matrix": "shared",
        "normalization": False,
    }


GAIT_RULES = ("backprop", "feedback_alignment", "gait_prop", "normalized_gait_prop", "target_propagation")


@pytest.mark.parametrize("track", ["mnist-square", "mnist-tower"])
def test_square_tracks_have_the_published_codes_protocol(registry: Registry, track: str) -> None:
    """FACTS §4.3, §4.4: lr 1e-4 for backprop and GAIT-prop, 1e-5 for target propagation; λ 0, 0.1 and 1000."""
    runs = paper_runs(registry, track, GAIT_RULES)
    for name, spec in runs.items():
        protocol = spec.protocol
        assert (protocol.epochs, protocol.batch_size, protocol.order) == (100, 60, "fixed")
        assert (protocol.loss, protocol.optimizer.kind, protocol.optimizer.beta2) == ("squared_error", "adam", 0.99)
        assert protocol.optimizer.learning_rate == (1e-5 if name == "target_propagation" else 1e-4)
        strength = {"gait_prop": 0.1, "normalized_gait_prop": 0.1, "target_propagation": 1000.0}.get(name)
        found = protocol.orthogonality
        assert (found and (found.kind, found.strength)) == (strength and ("off_diagonal", strength))
        assert spec.architecture.form == "invertible"
        assert spec.architecture.readout.activation.slope == spec.architecture.defaults.activation.slope == 0.1
        assert spec.dataset.normalization.mean == (0.0,)
    assert runs["gait_prop"].rule.config["gamma"] == 1e-3
    # The code's targets in float64 are lost in rounding here; the same rule carries differences.
    assert runs["gait_prop"].rule.config["form"] == "differences"
    assert runs["normalized_gait_prop"].rule.config["precision"] == "float64"


def test_square_tracks_still_say_how_the_committed_records_were_made(registry: Registry) -> None:
    """Catches a form or precision that can no longer be asked for: the records' README gives this command."""
    overrides = (
        "rules.gait_prop.config.form=targets",
        "rules.gait_prop.config.precision=float64",
        "rules.normalized_gait_prop.config.precision=float32",
    )
    asked = Selection(
        "mnist-square",
        rules=("gait_prop", "normalized_gait_prop"),
        tier="quick",
        seeds=(0,),
        overrides=overrides,
        hardware="cpu",
    )
    folder = builtin_folder().parent / "leaderboard" / "records" / "mnist-square"
    for run in resolve(asked, LIBRARY, registry):
        assert (folder / f"{run_id(run.spec)}.json").is_file(), run.spec.rule


@pytest.mark.parametrize(
    "track", ["mnist-square", "mnist-tower", "cifar10-gait-shallow", "cifar10-gait-deep", "imagenet-gait-conv"]
)
def test_a_second_square_track_regularises_backprop_too(registry: Registry, track: str) -> None:
    """The published backprop was not, to which its paper lays a gap; both are tracks."""
    alone, all_of_them = (paper_runs(registry, name, GAIT_RULES) for name in (track, f"{track}-regularized"))
    assert alone["backprop"].protocol.orthogonality is None
    assert all_of_them["backprop"].protocol.orthogonality == alone["gait_prop"].protocol.orthogonality
    assert all_of_them["target_propagation"].protocol == alone["target_propagation"].protocol


def test_the_imagenet_track_has_the_published_convs(registry: Registry) -> None:
    """FACTS §4.2, §4.3: 3·9², 24·3², 24·5², 48·3², 48·3², 96·3², 96·3² channels; a weaker regulariser than CIFAR's."""
    runs = paper_runs(registry, "imagenet-gait-conv", GAIT_RULES)
    plan = shapes_of(runs["backprop"].architecture, (3, 224, 224), 1000)
    assert [s.output_shape[0] for s in plan.segments] == [243, 216, 600, 432, 432, 864, 864, 192 * 7 * 7]
    for name, spec in runs.items():
        assert (spec.protocol.loss, spec.protocol.optimizer.kind) == ("cross_entropy", "adam")
        assert spec.architecture.defaults.initialization.scheme == "orthogonal"
        assert (spec.protocol.orthogonality is None) == (name in {"backprop", "feedback_alignment"})
    weaker = runs["normalized_gait_prop"].protocol.orthogonality
    cifar = paper_runs(registry, "cifar10-gait-deep", GAIT_RULES)["normalized_gait_prop"].protocol.orthogonality
    assert weaker.strength < cifar.strength


@pytest.mark.parametrize(("track", "hidden"), [("cifar10-gait-shallow", 3), ("cifar10-gait-deep", 6)])
def test_cifar_tracks_of_normalized_gait_prop_have_its_papers_depths(
    registry: Registry, track: str, hidden: int
) -> None:
    """FACTS §4.2, §4.3: three and six hidden layers, Adam, cross-entropy, orthogonal; GAIT-prop alone regularised."""
    runs = paper_runs(registry, track, GAIT_RULES)
    for name, spec in runs.items():
        assert len(spec.architecture.layers) == hidden
        assert (spec.protocol.loss, spec.protocol.optimizer.kind) == ("cross_entropy", "adam")
        assert spec.architecture.defaults.initialization.scheme == "orthogonal"
        assert (spec.protocol.orthogonality is None) == (name in {"backprop", "feedback_alignment"})
