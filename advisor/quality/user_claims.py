"""What a user said of prompting -> what it is worth: it meets the target, or falls short of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.evidence import Evidence
from advisor.inputs import Inputs, ResolvedScenario, prompting_fell_short
from advisor.quality.measurements import NumberRange
from advisor.scenario.scenario import Scenario
from advisor.units import Number

Mask = NDArray[np.bool_]
SHORTFALL = 0.03
"""How far below the target a prompt is set that is said to fall short: more than evidence forgives
as a tie. What it really is was not said."""
CLAIM_BASIS = "you said what prompting does"


class PromptingClaims(NamedTuple):
    """What was said in each variant, of shape [variants, 1]."""

    meets: Mask
    """A prompt on a large model does what is wanted."""
    gap: Mask
    """It does not, and it was a serious one: a better prompt is not the way out."""
    retrieval_short: Mask
    """Answers from retrieved documents were tried, and something else is still missing."""

    @property
    def any_claimed(self) -> bool:
        """Whether any of it was said, in any variant."""
        return bool((self.meets | self.gap | self.retrieval_short).any())


def prompting_claims(
    resolved: ResolvedScenario, inputs: Inputs, evidence: Evidence
) -> PromptingClaims:
    """Read the user's claims about prompting and retrieval in each variant."""
    least = evidence.of("knowledge_qa").tune_least_examples
    pages = evidence.pretraining_tokens.value
    return PromptingClaims(
        meets=resolved.mask(lambda scenario: scenario.quality.prompting == "meets"),
        gap=resolved.mask(prompting_fell_short),
        retrieval_short=resolved.mask(retrieval_fell_short)
        & ((inputs.examples >= least) | (inputs.corpus_tokens >= pages)),
    )


def retrieval_fell_short(scenario: Scenario) -> bool:
    """Whether retrieval was tried, and it is known or likely that documents are not all it takes.

    A form, a skill or a small model at home is what retrieval does not teach.
    """
    needs, quality = scenario.needs, scenario.quality
    if not scenario.knowledge.retrieval_tried or quality.prompting == "meets":
        return False
    behaves = needs.style_or_format or needs.new_skill_or_language or needs.privacy_self_host
    return quality.prompting == "gap" or behaves


class PromptingTraits(NamedTuple):
    """What tells kinds of options apart here, of shape [kinds, 1, 1]."""

    is_large: Mask
    """Prompts a large model: what was said is said of it."""
    retrieves: Mask
    """Looks documents up."""
    large: Number
    """What evidence expects of it on a large model."""


def apply_claims(
    said: PromptingClaims, ends: NumberRange, target: Number, kind: PromptingTraits
) -> NumberRange:
    """Move what evidence expects of prompting to what was said of it.

    Args:
        said: In each variant.
        ends: What evidence expects of each kind, [kinds, variants, 1 or draws].
        target: What is good enough, [variants, 1].
        kind: Which kinds are which.
    """
    low, likely, high = ends
    retrieves = kind.retrieves
    moved = np.where(said.meets, np.asarray(target) - kind.large, 0.0)
    unproven = said.meets & ~kind.is_large
    hopeless = np.where(retrieves, said.retrieval_short, said.gap)
    falls = hopeless | unproven
    most = np.asarray(target) - SHORTFALL
    return (
        np.where(falls, np.minimum(low + moved, most), low + moved),
        np.where(falls, np.minimum(likely + moved, most), likely + moved),
        np.where(hopeless, np.minimum(high + moved, most), high + moved),
    )


def cap_at_teacher(
    said: PromptingClaims, ends: NumberRange, target: Number, taught: Mask
) -> NumberRange:
    """Expect no more of a pupil than of its teacher, of whom it is said that it falls short.

    Args:
        said: In each variant.
        ends: What evidence expects of each kind, [kinds, variants, 1 or draws].
        target: What is good enough, [variants, 1].
        taught: Which kinds learn from answers of a large model, [kinds, 1, 1].
    """
    most = np.where(said.gap & taught, np.asarray(target) - SHORTFALL, np.inf)
    low, likely, high = (np.minimum(end, most) for end in ends)
    return low, likely, high
