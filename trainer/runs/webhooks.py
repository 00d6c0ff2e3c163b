"""Webhooks of providers: verified, then only a reason to poll the job ourselves."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from sqlalchemy import select, update

from trainer.errors import ApiKeyError, TrainerError
from trainer.security.api_keys import environment_name, read_secret
from trainer.storage.database import execute, fetch_all
from trainer.storage.run_store import RunStore
from trainer.storage.schema import runs


class InvalidSignature(TrainerError):
    """The webhook is not signed by the provider."""

    code = "not-verified"
    http_status = 401


def webhook_secret(provider: str) -> str:
    """Return the secret that a provider signs with.

    Raises:
        ApiKeyError: no secret is configured.
    """
    name = environment_name(provider, "WEBHOOK_SECRET")
    value = read_secret(name)
    if not value:
        raise ApiKeyError(f"{provider}: webhooks need a secret. Set {name}.")
    return value


def verified_job_id(body: bytes, headers: Mapping[str, str], secret: str) -> str:
    """Return the job id in a signed webhook.

    Source: standard webhooks, as the openai SDK checks them: signature, and five minutes of age.

    Raises:
        InvalidSignature: the signature is wrong, missing or old.
    """
    from openai import InvalidWebhookSignatureError, OpenAI

    with OpenAI(api_key="not-used", base_url="http://127.0.0.1:9", max_retries=0) as client:
        try:
            client.webhooks.verify_signature(body, dict(headers), secret=secret)
            return str(orjson.loads(body)["data"]["id"])
        except (InvalidWebhookSignatureError, ValueError, KeyError, TypeError) as error:
            raise InvalidSignature(f"webhook: {type(error).__name__}. Nothing was done.") from None


def make_due(store: RunStore, provider: str, job_id: str) -> str | None:
    """Mark the run of a job as due now; return its id, if it is ours."""
    mine = (runs.c.provider == provider, runs.c.job_id == job_id)
    execute(store.engine, update(runs).where(*mine).values(next_at=0.0))
    rows = fetch_all(store.engine, select(runs.c.run_id).where(*mine))
    return rows[0].run_id if rows else None
