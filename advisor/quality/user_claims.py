"""User's claims about prompting and retrieval -> adjusted quality ranges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.sampling import EstimateContext
from advisor.inputs import prompting_fell_short
from advisor.quality.measurements import NumberRange
from advisor.scenario.scenario import Scenario
from advisor.units import Number

Mask = NDArray[np.bool_]
SHORTFALL = 0.03
"""How far below the target a prompt is placed that falls short: more than the tolerance of
evidence. The actual value is unknown."""
CLAIM_BASIS = "you stated how prompting performs"


class PromptingClaims(NamedTuple):
    """The user's claims in each variant, of shape [variants, 1]."""

    meets: Mask
    """A prompt on a large model meets the target."""
    gap: Mask
    """A serious prompt does not meet it: a better prompt is not the solution."""
    retrieval_short: Mask
    """Retrieval was tried, and something is still missing."""

    @property
    def any_claimed(self) -> bool:
        """Whether there is any claim in any variant."""
        return bool((self.meets | self.gap | self.retrieval_short).any())


def prompting_claims(context: EstimateContext) -> PromptingClaims:
    """Read the user's claims about prompting and retrieval in each variant."""
    resolved, inputs, evidence = context.resolved, context.inputs, context.evidence
    least = evidence.of("knowledge_qa").tune_least_examples
    pages = evidence.pretraining_tokens.value
    return PromptingClaims(
        meets=resolved.mask(lambda scenario: scenario.quality.prompting == "meets"),
        gap=resolved.mask(prompting_fell_short),
        retrieval_short=resolved.mask(retrieval_fell_short)
        & ((inputs.examples >= least) | (inputs.corpus_tokens >= pages)),
    )


def retrieval_fell_short(scenario: Scenario) -> bool:
    """Whether retrieval was tried, and documents are known or likely not to be enough.

    Retrieval does not teach an output format, a skill, or a small self-hosted model.
    """
    needs, quality = scenario.needs, scenario.quality
    if not scenario.knowledge.retrieval_tried or quality.prompting == "meets":
        return False
    behaves = needs.style_or_format or needs.new_skill_or_language or needs.privacy_self_host
    return quality.prompting == "gap" or behaves


def apply_claims(
    claims: PromptingClaims,
    bounds: NumberRange,
    target: Number,
    is_large: Mask,
    retrieves: Mask,
    expected: Number,
) -> NumberRange:
    """Move the expected quality of prompting to what the user claims.

    Args:
        claims: In each variant.
        bounds: Expected quality of each kind from evidence, [kinds, variants, 1 or draws].
        target: Quality target, [variants, 1].
        is_large: Which kinds prompt a large model, which is what the claims are about.
        retrieves: Which kinds use documents.
        expected: Expected quality on a large model, from evidence.
    """
    moved = np.where(claims.meets, np.asarray(target) - expected, 0.0)
    falls_short = np.where(retrieves, claims.retrieval_short, claims.gap)
    unproven = claims.meets & ~is_large
    most = np.asarray(target) - SHORTFALL
    low, likely, high = (
        np.where(is_capped, np.minimum(bound + moved, most), bound + moved)
        for bound, is_capped in zip(
            bounds, (falls_short | unproven, falls_short | unproven, falls_short), strict=True
        )
    )
    return low, likely, high


def cap_at_teacher(
    claims: PromptingClaims, bounds: NumberRange, target: Number, taught: Mask
) -> NumberRange:
    """Cap the quality of kinds taught by a large model, where that is claimed to fall short."""
    most = np.where(claims.gap & taught, np.asarray(target) - SHORTFALL, np.inf)
    low, likely, high = (np.minimum(bound, most) for bound in bounds)
    return low, likely, high
