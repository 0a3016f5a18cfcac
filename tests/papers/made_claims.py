"""Claims about made records, for tests of verdicts."""

from __future__ import annotations

from typing import Any

from benchsuite.papers.claim_cases import Arm, ArmPair, Case, ClaimCases, FloorArm
from benchsuite.papers.verdicts import judge
from benchsuite.specs.models.claim import ClaimSpec, Comparison, Floor

REFERENCES: dict[str, Any] = {"minus": None, "over": None, "most_of": ()}


class Claims:
    """Makes claims about rules on the factories' track and judges them."""

    def __init__(self, make_record: Any) -> None:
        self.make_record = make_record

    def arm(self, rule: str, **fields: Any) -> Arm:
        spec = self.make_record(rule, **fields).spec
        return Arm(spec.track, rule, spec)

    def case(self, left: str = "dfa", right: str | None = "backprop", tier: str = "quick", **fields: Any) -> Case:
        minus, over, most_of = (fields.pop(name, default) for name, default in REFERENCES.items())
        sides = {name: {"rule": r, "over": over} for name, r in (("left", left), ("right", right)) if r}
        segment = fields.pop("segment", None)
        floors = fields.pop("floors", ())
        comparison = Comparison.model_validate(
            {"tracks": ["digits-fc"], "metric": "test_error", "direction": "lower", "test": "paired"} | sides | fields
        )
        pairs = [
            ArmPair(
                self.arm(r, tier=tier),
                self.arm(minus, tier=tier) if minus else None,
                segment,
                self.arm(over, tier=tier) if over else None,
                most_of,
            )
            for r in (left, right)
            if r
        ]
        return Case(comparison, tier, pairs[0], pairs[1] if right else None, floors)  # type: ignore[arg-type]

    def floor(self, rule: str = "backprop", tier: str = "quick", at_most: float = 0.1) -> FloorArm:
        floor = Floor(tracks=("digits-fc",), rule=rule, at_most=at_most)
        return FloorArm(floor, self.arm(rule, tier=tier), at_most)

    def expanded(self, *cases: Case, on_copy: tuple[Case, ...] = (), **fields: Any) -> ClaimCases:
        """Return a claim made of cases, of one if none are given."""
        cases = cases or (self.case(),)
        content = {
            "name": "a-claim",
            "source": "a paper",
            "statement": "so it is",
            "tiers": ["paper", "quick"],
            "comparisons": [c.comparison for c in cases],
        }
        return ClaimCases(ClaimSpec.model_validate(content | fields), cases, on_copy)

    def judge(self, records: list[Any], *cases: Case, on_copy: tuple[Case, ...] = (), **fields: Any) -> Any:
        (verdict,) = judge([self.expanded(*cases, on_copy=on_copy, **fields)], records)
        return verdict
