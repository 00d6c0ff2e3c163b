"""Exports as the providers write them: every row is read, listed as not used, or an error."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from advisor.actuals.formats import read_actuals
from advisor.actuals.lines import ActualLine, Actuals, merged
from advisor.errors import ActualsFileError

OPENAI_USAGE = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,\
model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens
1796083200,1796169600,2026-12-01T00:00:00+00:00,2026-12-02T00:00:00+00:00,proj_1,5,,key_1,\
gpt-4o-2024-08-06,false,default,1000,500,800,200
1796083200,1796169600,2026-12-01T00:00:00+00:00,2026-12-02T00:00:00+00:00,proj_1,2,,key_1,\
gpt-4o-2024-08-06,true,,300,40,0,300
1796169600,1796256000,2026-12-02T00:00:00+00:00,2026-12-03T00:00:00+00:00,,,,,,,,,,,
"""
OPENAI_COST = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,\
quantity_unit,line_item,project_id
1796083200,1796169600,2026-12-01T00:00:00+00:00,2026-12-02T00:00:00+00:00,0.0005,usd,200,\
tokens,"gpt-4o-2024-08-06, input",proj_1
1796083200,1796169600,2026-12-01T00:00:00+00:00,2026-12-02T00:00:00+00:00,0.001,usd,0.8,\
1000_tokens,"gpt-4o-2024-08-06, cached input",proj_1
1796083200,1796169600,2026-12-01T00:00:00+00:00,2026-12-02T00:00:00+00:00,1.5,usd,,,\
"batch | gpt-5.4, output, long context",proj_1
1796083200,1796169600,2026-12-01T00:00:00+00:00,2026-12-02T00:00:00+00:00,0.25,usd,25,,\
web search tool calls,proj_1
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,\
usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,\
usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed
2026-12-01,claude-sonnet-4-5-20250929,key,Default,standard,≤ 200k,100,20,0,300,50,2,global,
2026-12-01,claude-sonnet-4-5-20250929,key,Default,batch,> 200k,70,0,0,0,9,0,global,
"""
ANTHROPIC_COST = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,\
list_price_usd,cost_type,inference_geo,speed
2026-12-01,Claude Haiku 4.5,Default,key,message,≤ 200k,input_no_cache,1.50,1.50,token,global,
2026-12-01,Claude Haiku 4.5,Default,key,message,≤ 200k,input_cache_read,0.20,0.20,token,global,
2026-12-01,,Default,key,message,,,0.02,0.02,web_search,global,
"""
AZURE = (
    """\
Date,MeterCategory,MeterSubCategory,MeterName,UnitOfMeasure,Quantity,EffectivePrice,\
CostInBillingCurrency,BillingCurrency,ChargeType,ResourceGroup,Tags
12/01/2026,Foundry Models,Azure OpenAI,gpt 4o 1120 Inp glbl Tokens,1K,2000,0.0025,5,USD,Usage,rg,\
"""
    + '"""team"": ""mail"""\n'
    + """\
12/01/2026,Foundry Models,Azure OpenAI,gpt 4o 1120 cached Inp glbl Tokens,1K,100,0.00125,0.125,\
USD,Usage,rg,
12/01/2026,Foundry Models,Azure OpenAI,gpt 4o 1120 Outp glbl Tokens,1K,10,0.01,0.1,USD,Usage,rg,
12/01/2026,Storage,Blobs,Hot LRS Data Stored,1 GB/Month,3,0.02,0.06,USD,Usage,rg,
"""
)
CUR2 = """\
line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,line_item_usage_type,\
line_item_line_item_type,line_item_usage_amount,pricing_unit,line_item_unblended_cost,\
line_item_currency_code,resource_tags
2026-12-01T00:00:00Z,2026-12-02T00:00:00Z,AmazonBedrock,\
USE1-Claude4.6Opus-input-tokens-cross-region-global,Usage,3.5,1K tokens,0.0175,USD,"{""a"": ""b""}"
2026-12-01T00:00:00Z,2026-12-02T00:00:00Z,AmazonBedrock,\
USE1-Claude4.6Opus-cache-read-input-token-count,Usage,10,1K tokens,0.005,USD,
2026-12-01T00:00:00Z,2026-12-02T00:00:00Z,AmazonEC2,USE1-BoxUsage:g6.xlarge,Usage,24,Hrs,19.3,USD,
2026-12-01T00:00:00Z,2026-12-02T00:00:00Z,AmazonEC2,,Tax,1,,2,USD,
"""
FOCUS = """\
BilledCost,BillingCurrency,ChargeCategory,ChargeDescription,ChargePeriodStart,ChargePeriodEnd,\
ConsumedQuantity,ConsumedUnit,ProviderName,SkuId,SkuMeter,SkuPriceDetails,PricingQuantity,PricingUnit
1.25,USD,Usage,input,2026-12-01T00:00:00Z,2027-01-01T00:00:00Z,500000,Tokens,OpenAI,\
openai/gpt-4o/input,input,,0.5,1000000 Tokens
2.00,USD,Usage,out,2026-12-01T00:00:00Z,2027-01-01T00:00:00Z,,,OpenAI,X1,output,\
"{""x_Model"": ""gpt-4o-2024-08-06""}",0.2,1000000 Tokens
0.30,USD,Tax,VAT,2026-12-01T00:00:00Z,2027-01-01T00:00:00Z,,,OpenAI,,,,,
"""


def lines(text: str, name: str = "export.csv") -> dict[str, ActualLine]:
    return {line.sku: line for line in read_actuals(text, name).lines}


def amounts(text: str) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    return {sku: (line.quantity, line.usd) for sku, line in lines(text).items()}


def D(text: str) -> Decimal:
    return Decimal(text)


def test_openai_usage_is_split_by_how_tokens_are_billed() -> None:
    assert amounts(OPENAI_USAGE) == {
        "openai/gpt-4o/input": (D("200"), None),
        "openai/gpt-4o/cached_input": (D("800"), None),
        "openai/gpt-4o/output": (D("500"), None),
        "openai/gpt-4o/requests": (D("2"), None),  # the row of the batch comes last
        "openai/gpt-4o/batch_input": (D("300"), None),
        "openai/gpt-4o/batch_output": (D("40"), None),
    }
    found = read_actuals(OPENAI_USAGE, "usage.csv")
    assert sum(line.quantity or 0 for line in found.lines if line.kind == "requests") == 7
    assert found.not_used == (
        "usage.csv: 1 buckets without usage or costs",
        "usage.csv: columns not used: user_id",
    )
    first = found.lines[0]
    assert (first.starts_on, first.ends_on) == (date(2026, 12, 1), date(2026, 12, 2))
    assert first.tags == {"project_id": "proj_1", "api_key_id": "key_1"}
    assert first.source_line == "usage.csv:2"


def test_openai_costs_are_read_by_line_item() -> None:
    assert amounts(OPENAI_COST) == {
        "openai/gpt-4o/input": (D("200"), D("0.0005")),
        "openai/gpt-4o/cached_input": (D("800.0"), D("0.001")),
        "openai/gpt-5.4/batch_long_output": (None, D("1.5")),
        "openai/web-search-tool-calls": (D("25"), D("0.25")),
    }


def test_openai_json_pages_are_read_like_the_dashboard() -> None:
    usage = {"object": "organization.usage.completions.result", "input_tokens": 1000,
             "input_cached_tokens": 800, "output_tokens": 500, "num_model_requests": 5,
             "model": "gpt-4o-2024-08-06", "batch": False, "user_id": None}  # fmt: skip
    cost = {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"},
            "line_item": "gpt-4o, output"}  # fmt: skip
    pages = [{"object": "page", "data": [
        {"object": "bucket", "start_time": 1796083200, "end_time": 1796169600, "results": [one]}
    ]} for one in (usage, cost)]  # fmt: skip

    assert amounts(json.dumps(pages[0])) == {
        "openai/gpt-4o/input": (D("200"), None),
        "openai/gpt-4o/cached_input": (D("800"), None),
        "openai/gpt-4o/output": (D("500"), None),
        "openai/gpt-4o/requests": (D("5"), None),
    }
    assert amounts(json.dumps(pages[1])) == {"openai/gpt-4o/output": (None, D("0.06"))}


def test_a_tuned_model_is_billed_at_tuned_prices() -> None:
    text = OPENAI_USAGE.replace("gpt-4o-2024-08-06", "ft:gpt-4.1-mini-2025-04-14:acme::a1")

    assert "openai/gpt-4.1-mini/tuned_cached_input" in amounts(text)


def test_anthropic_usage_is_split_by_cache_batch_and_long_context() -> None:
    assert amounts(ANTHROPIC_USAGE) == {
        "anthropic/claude-sonnet-4-5/input": (D("100"), None),
        "anthropic/claude-sonnet-4-5/cache_write": (D("20"), None),
        "anthropic/claude-sonnet-4-5/cached_input": (D("300"), None),
        "anthropic/claude-sonnet-4-5/output": (D("50"), None),
        "anthropic/web_search_call": (D("2"), None),
        "anthropic/claude-sonnet-4-5/batch_long_input": (D("70"), None),
        "anthropic/claude-sonnet-4-5/batch_long_output": (D("9"), None),
    }


def test_anthropic_costs_have_display_names_and_no_quantities() -> None:
    assert amounts(ANTHROPIC_COST) == {
        "anthropic/claude-haiku-4-5/input": (None, D("1.50")),
        "anthropic/claude-haiku-4-5/cached_input": (None, D("0.20")),
        "anthropic/web_search": (None, D("0.02")),
    }
    assert read_actuals(ANTHROPIC_COST, "cost.csv").not_used == (
        "cost.csv: columns not used: list_price_usd, inference_geo",
    )


def test_azure_meters_count_thousands_of_tokens() -> None:
    assert amounts(AZURE) == {
        "azure/gpt-4o-1120/input": (D("2000000"), D("5")),
        "azure/gpt-4o-1120/cached_input": (D("100000"), D("0.125")),
        "azure/gpt-4o-1120/output": (D("10000"), D("0.1")),
        "azure/storage-hot-lrs-data-stored": (D("3"), D("0.06")),
    }
    tags = lines(AZURE)["azure/gpt-4o-1120/input"].tags
    assert tags == {"team": "mail", "resource group": "rg"}


def test_aws_usage_types_of_bedrock_are_read_in_both_column_styles() -> None:
    expected = {
        "bedrock/Claude4.6Opus/input": (D("3500.0"), D("0.0175")),
        "bedrock/Claude4.6Opus/cached_input": (D("10000"), D("0.005")),
        "aws/amazonec2-use1-boxusage-g6.xlarge": (D("24"), D("19.3")),
        "aws/amazonec2-tax": (D("1"), D("2")),
    }
    names = {
        "line_item_usage_start_date": "lineItem/UsageStartDate",
        "line_item_usage_end_date": "lineItem/UsageEndDate",
        "line_item_product_code": "lineItem/ProductCode",
        "line_item_usage_type": "lineItem/UsageType",
        "line_item_line_item_type": "lineItem/LineItemType",
        "line_item_usage_amount": "lineItem/UsageAmount",
        "pricing_unit": "pricing/unit",
        "line_item_unblended_cost": "lineItem/UnblendedCost",
        "line_item_currency_code": "lineItem/CurrencyCode",
    }
    legacy = CUR2
    for new, old in names.items():
        legacy = legacy.replace(new, old)

    assert amounts(CUR2) == amounts(legacy) == expected


def test_focus_rows_are_matched_by_our_ids_else_by_model_and_meter() -> None:
    assert amounts(FOCUS) == {
        "openai/gpt-4o/input": (D("500000"), D("1.25")),
        "openai/gpt-4o/output": (D("200000.0"), D("2.00")),
        "openai/tax-vat": (None, D("0.30")),
    }


def test_own_names_replace_those_of_an_export() -> None:
    names = {"bedrock/Claude4.6Opus": "bedrock/anthropic.claude-opus-4-6"}

    found = {line.sku for line in read_actuals(CUR2, "cur.csv", names).lines}

    assert "bedrock/anthropic.claude-opus-4-6/input" in found


@pytest.mark.parametrize(
    "dialect",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", ";").replace("1.", "1,").replace("0.", "0,"),
        lambda text: text.replace(",1.50,1.50,", ',"$1,500.25","1,500.25",'),
        lambda text: (
            text.replace(",", ";").replace("0.", "0,").replace("1.50;1.50", "1.500,25;1,50")
        ),
    ],
)
def test_csv_dialects(dialect: object) -> None:
    assert callable(dialect)
    found = amounts(dialect(ANTHROPIC_COST))

    assert found["anthropic/claude-haiku-4-5/input"][1] in (D("1.50"), D("1500.25"))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "export.csv: found no table"),
        ("hello world", "found no table"),
        ("a,b\n1,2\n", "export.csv:1: the columns a, b ... belong to no known export. Give one of"),
        (ANTHROPIC_COST.replace("1.50,1.50", "1.50"), "export.csv:2: found 11 values under 12"),
        (
            ANTHROPIC_COST.replace("1.50,1.50", "cheap,1.50"),
            "export.csv:2, cost_usd: expected a number, found 'cheap'",
        ),
        (
            ANTHROPIC_COST.replace(",", ";").replace("1.50;1.50", "1,500;1").replace("0.20", "2")
            .replace("0.02", "1"),
            "1,500 can be read in two ways",
        ),
        (
            ANTHROPIC_COST.replace(",", ";").replace("1.50", "1.500").replace("0.20", "2")
            .replace("0.02", "1"),
            "1.500 can be read in two ways",
        ),
        (
            ANTHROPIC_COST.replace(",", ";").replace("1.50", "1,50"),
            "cost_usd: expected a number, found '1,50'",
        ),
        (ANTHROPIC_COST.replace("2026-12-01,Claude", "1st,Claude"), "expected a day such as"),
        (AZURE.replace("USD", "EUR"), "BillingCurrency: found amounts in EUR. Export in USD"),
        (FOCUS.replace("USD", "CHF"), "BillingCurrency: found amounts in CHF"),
        (AZURE.replace("CostInBillingCurrency", "Cost"), "no column 'CostInBillingCurrency'"),
        ('{"data": []}', "its buckets have no results"),
        ('{"object": "list"}', "found no 'data' list of buckets"),
        ('{"data"', ":1:8: Expecting ':' delimiter"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_place_and_remedy(text: str, says: str) -> None:
    with pytest.raises(ActualsFileError, match=r".") as caught:
        read_actuals(text, "export.csv")

    assert says in str(caught.value)
    assert caught.value.remedy


def test_azure_amounts_in_usd_are_used_where_the_billing_currency_is_another() -> None:
    text = AZURE.replace("CostInBillingCurrency", "costInUsd").replace("USD,Usage", "EUR,Usage")

    assert amounts(text)["azure/gpt-4o-1120/input"] == (D("2000000"), D("5"))


def test_a_row_in_two_files_counts_once_and_is_listed() -> None:
    first, second = (read_actuals(OPENAI_COST, name) for name in ("a.csv", "b.csv"))

    found = merged([first, second])

    assert [line.source_line for line in found.lines] == [f"a.csv:{n}" for n in (2, 3, 4, 5)]
    assert [note for note in found.not_used if "the same row" in note] == [
        f"b.csv:{n}: the same row as a.csv:{n}" for n in (2, 3, 4, 5)
    ]


def test_equal_rows_of_one_file_are_two_charges() -> None:
    text = OPENAI_COST + OPENAI_COST.splitlines()[-1] + "\n"

    found = merged([read_actuals(text, "a.csv")])

    assert isinstance(found, Actuals)
    assert len(found.lines) == 5
