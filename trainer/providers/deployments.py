"""Serving a tuned model by the hour: start, look and stop, by a name of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from advisor.prices.book import PriceBook
from trainer.errors import ApiKeyError
from trainer.providers import base_url_of
from trainer.providers.base import Job, NotOffered, ProviderDeclined
from trainer.providers.http_client import HttpClient, path_segment
from trainer.security.api_keys import api_key_for, environment_name

IDLE_MINUTES = 30
PREFIX = "ton-"
READY = frozenset({"READY", "RUNNING", "DEPLOYMENT_STATE_READY"})
FAILED = frozenset({"FAILED", "DEPLOYMENT_STATE_FAILED"})


@dataclass(frozen=True)
class DeploymentStatus:
    """What stands at the provider under a name."""

    name: str
    word: str
    ready: bool
    failed: bool
    model: str
    """What to ask for in a request."""


class Hosting(Protocol):
    """How one provider is asked to serve."""

    def deploy(self, name: str, job: Job) -> DeploymentStatus:
        """Start serving; a second time under the same name changes nothing."""

    def look(self, name: str) -> DeploymentStatus | None:
        """Ask after a deployment; nothing if there is none."""

    def stop(self, name: str) -> None:
        """End it; what is gone already is no error."""

    def names(self) -> list[str]:
        """List what stands there under names like ours."""

    def smoke(self, model: str) -> str:
        """Have it answer one short question."""

    def close(self) -> None:
        """Let go of connections."""


class _HostingClient:
    def __init__(self, root: str, chat: HttpClient) -> None:
        self._root, self._chat = root, chat

    def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._chat.raw(method, self._root + path, **options)
        return dict(answer.json()) if answer.content else {}

    def maybe(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        try:
            return self.ask(method, path, **options)
        except ProviderDeclined as error:
            if error.status in (404, 410):
                return None
            raise

    def once(self, path: str, **options: Any) -> None:
        try:
            self.ask("POST", path, **options)
        except ProviderDeclined as error:
            if error.status != 409:
                raise

    def smoke(self, path: str, model: str) -> str:
        body = {
            "model": model,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": "Say OK."}],
        }
        answer = self.ask("POST", path, json=body)
        choice = (answer.get("choices") or [{}])[0]
        return str((choice.get("message") or {}).get("content") or "")


class FireworksHosting:
    """On-demand deployments that sleep when idle. Source: fireworks-ai 1.2.28."""

    def __init__(self, base_url: str, web: HttpClient, account: str) -> None:
        self._account, self._web = account, web
        self._asking = _HostingClient("", web)
        self._path = f"/v1/accounts/{path_segment(account)}/deployments"

    def deploy(self, name: str, job: Job) -> DeploymentStatus:
        """Start serving one replica that sleeps after half an hour without a request."""
        body = {
            "baseModel": job.model,
            "displayName": name,
            "minReplicaCount": 0,
            "maxReplicaCount": 1,
            "acceleratorType": "NVIDIA_H100_80GB",
            "autoscalingPolicy": {"scaleToZeroWindow": f"{IDLE_MINUTES * 60}s"},
        }
        self._asking.once(self._path, params={"deploymentId": name}, json=body)
        there = self.look(name)
        return there or DeploymentStatus(name, "CREATING", False, False, "")

    def look(self, name: str) -> DeploymentStatus | None:
        """Ask after a deployment."""
        body = self._asking.maybe("GET", f"{self._path}/{path_segment(name)}")
        if body is None or body.get("state") in ("DELETED", "DELETING"):
            return None
        word = str(body.get("state"))
        model = f"{body.get('baseModel')}#accounts/{self._account}/deployments/{name}"
        return DeploymentStatus(name, word, word in READY, word in FAILED, model)

    def stop(self, name: str) -> None:
        """End it."""
        self._asking.maybe(
            "DELETE", f"{self._path}/{path_segment(name)}", params={"ignoreChecks": True}
        )

    def names(self) -> list[str]:
        """List what stands there."""
        listed = self._asking.ask("GET", self._path, params={"pageSize": 200}).get("deployments")
        names = [str(one["name"]).rsplit("/", 1)[-1] for one in listed or []]
        return [name for name in names if name.startswith(PREFIX)]

    def smoke(self, model: str) -> str:
        """Have it answer."""
        return self._asking.smoke("/inference/v1/chat/completions", model)

    def close(self) -> None:
        """Let go of connections."""
        self._web.close()


class TogetherHosting:
    """Dedicated endpoints that stop when idle. Source: together 3.1.1."""

    def __init__(self, web: HttpClient, project: str) -> None:
        self._project, self._web = project, web
        self._asking = _HostingClient("", web)
        self._path = f"/v2/projects/{path_segment(project)}/endpoints"

    def deploy(self, name: str, job: Job) -> DeploymentStatus:
        """Start one replica that stops after half an hour without a request."""
        self._asking.once(self._path, json={"name": name, "visibility": "VISIBILITY_PRIVATE"})
        endpoint = self._endpoint(name)
        if endpoint is None:
            raise NotOffered(f"together shows no endpoint {name} after it was made.")
        model = (job.raw or {}).get("model_object_id") or job.model
        body = {
            "name": name,
            "model": f"projects/{self._project}/models/{model}",
            "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
            "inactiveTimeout": IDLE_MINUTES,
        }
        self._asking.once(f"{self._path}/{path_segment(endpoint['id'])}/deployments", json=body)
        there = self.look(name)
        return there or DeploymentStatus(name, "CREATING", False, False, name)

    def _endpoint(self, name: str) -> Mapping[str, Any] | None:
        listed = self._asking.ask("GET", self._path, params={"limit": 200}).get("data") or []
        found = [one for one in listed if str(one.get("name")).rsplit("/", 1)[-1] == name]
        return found[0] if found else None

    def look(self, name: str) -> DeploymentStatus | None:
        """Ask after an endpoint and its one deployment."""
        endpoint = self._endpoint(name)
        if endpoint is None:
            return None
        path = f"{self._path}/{path_segment(endpoint['id'])}/deployments"
        listed = self._asking.ask("GET", path).get("data") or [{}]
        word = str((listed[0].get("status") or {}).get("state") or "CREATING")
        return DeploymentStatus(name, word, word in READY, word in FAILED, str(endpoint["name"]))

    def stop(self, name: str) -> None:
        """Delete the deployment, which is what costs, and then its endpoint."""
        endpoint = self._endpoint(name)
        if endpoint is None:
            return
        path = f"{self._path}/{path_segment(endpoint['id'])}"
        for one in self._asking.ask("GET", f"{path}/deployments").get("data") or []:
            self._asking.maybe("DELETE", f"{path}/deployments/{path_segment(str(one['id']))}")
        self._asking.maybe("DELETE", path)

    def names(self) -> list[str]:
        """List what stands there."""
        listed = self._asking.ask("GET", self._path, params={"limit": 200}).get("data") or []
        names = [str(one.get("name")).rsplit("/", 1)[-1] for one in listed]
        return [name for name in names if name.startswith(PREFIX)]

    def smoke(self, model: str) -> str:
        """Have it answer."""
        return self._asking.smoke("/v1/chat/completions", model)

    def close(self) -> None:
        """Let go of connections."""
        self._web.close()


BY_HAND = {
    "azure": "Deploy it in the Azure portal or with `az cognitiveservices account deployment "
    "create`; it costs by the hour until it is deleted there.",
    "nebius": "Fetch the adapter with `trainer download RUN` and deploy it on a dedicated endpoint "
    "in the Nebius console; it costs by the hour until it is deleted there.",
}


def hosting_for(provider: str, book: PriceBook) -> Hosting:
    """Return the way to have a provider serve.

    Raises:
        NotOffered: it is not done from here; the message says how it is done.
        NoSecret: a name of the account is missing.
    """
    if provider not in ("together", "fireworks"):
        raise NotOffered(BY_HAND.get(provider, f"{provider} serves nothing by the hour."))
    url = base_url_of(provider, book)
    key = api_key_for(provider, url)
    root = url.rstrip("/").removesuffix("/v1")
    what = {"together": "PROJECT_ID", "fireworks": "ACCOUNT_ID"}[provider]
    name = environment_name(provider, what)
    account = os.environ.get(name)
    if not account:
        raise ApiKeyError(f"{provider}: set {name} to the name of yours.")
    web = HttpClient(root, key)
    if provider == "together":
        return TogetherHosting(web, account)
    return FireworksHosting(url, web, account)
