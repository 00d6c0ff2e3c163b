"""A sweep is the same answer, many times."""

from __future__ import annotations

import random
from dataclasses import replace

from advisor.answer import answer, prepare, with_path
from advisor.files import example_question
from advisor.sweep import sweep


def test_two_hundred_random_points_equal_two_hundred_single_answers_to_the_cent() -> None:
    draw = random.Random(7)
    question = replace(example_question("brand-voice"), with_flips=False)
    variants = {
        "traffic.requests_per_month": [round(10 ** draw.uniform(3, 8)) for _ in range(200)],
        "traffic.prefix_tokens": [draw.randint(100, 5000) for _ in range(200)],
        "quality.target": [round(draw.uniform(0.5, 0.9), 3) for _ in range(200)],
        "horizon_months": [draw.randint(1, 36) for _ in range(200)],
    }

    columns = sweep(*prepare(question, question.scenario), question.evidence, variants)

    for i in range(200):
        scenario = question.scenario
        for path, values in variants.items():
            scenario = with_path(scenario, path, values[i])
        single = answer(replace(question, scenario=scenario))
        assert columns.recommended[i] == single.decision.recommended
        assert columns.win_share[i] == single.decision.win_share
        if single.decision.recommended != "not_yet":
            option = next(o for o in single.options if o.id == single.decision.recommended)
            assert columns.one_off[i] == option.one_off.likely
            assert columns.monthly[i] == option.monthly.likely
            assert columns.per_month[i] == option.per_month.likely
            assert columns.per_month_low[i] == option.per_month.low
            assert columns.per_month_high[i] == option.per_month.high
    assert len(set(columns.recommended)) > 3
