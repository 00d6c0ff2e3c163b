"""Deployments: serving a tuned model by the hour at a provider, under a name that we choose."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from advisor.prices.book import PriceBook
from trainer.errors import ApiKeyError
from trainer.providers import base_url_of
from trainer.providers.base import Job, NotOffered
from trainer.providers.http_client import HttpClient, none_if_declined, path_segment
from trainer.security.api_keys import api_key_for, environment_name

IDLE_MINUTES = 30
PREFIX = "ton-"
READY = frozenset({"READY", "RUNNING", "DEPLOYMENT_STATE_READY"})
FAILED = frozenset({"FAILED", "DEPLOYMENT_STATE_FAILED"})
GONE = (404, 410)


@dataclass(frozen=True)
class DeploymentStatus:
    """State of a deployment at the provider."""

    name: str
    word: str
    ready: bool
    failed: bool
    model: str
    """Model name to use in requests."""


class Hosting(Protocol):
    """Client for the deployments of one provider, and the requests that all providers share."""

    _web: HttpClient
    _path: str
    chat_path: str

    def __init__(self, web: HttpClient, path: str) -> None:
        self._web, self._path = web, path

    def deploy(self, name: str, job: Job) -> DeploymentStatus:
        """Start a deployment; a second call with the same name changes nothing."""

    def look(self, name: str) -> DeploymentStatus | None:
        """Return the state of a deployment, or None if it does not exist."""

    def stop(self, name: str) -> None:
        """Stop a deployment, if it exists."""

    def _create(self, path: str, **options: Any) -> None:
        """Create a resource, unless it exists already."""
        none_if_declined(lambda: self._web.raw("POST", path, **options), 409)

    def _delete(self, path: str, **options: Any) -> None:
        """Delete a resource, if it exists."""
        none_if_declined(lambda: self._web.raw("DELETE", path, **options), *GONE)

    def smoke(self, model: str) -> str:
        """Send one short question to a model; return its answer."""
        return self._web.smoke(self.chat_path, model)

    def close(self) -> None:
        """Close all connections."""
        self._web.close()


class FireworksHosting(Hosting):
    """On-demand deployments that scale to zero when idle. Source: fireworks-ai 1.2.28."""

    chat_path = "/inference/v1/chat/completions"

    def __init__(self, web: HttpClient, account: str) -> None:
        super().__init__(web, f"/v1/accounts/{path_segment(account)}/deployments")
        self._account = account

    def deploy(self, name: str, job: Job) -> DeploymentStatus:
        """Start one replica that scales to zero after half an hour without a request."""
        body = {
            "baseModel": job.model,
            "displayName": name,
            "minReplicaCount": 0,
            "maxReplicaCount": 1,
            "acceleratorType": "NVIDIA_H100_80GB",
            "autoscalingPolicy": {"scaleToZeroWindow": f"{IDLE_MINUTES * 60}s"},
        }
        self._create(self._path, params={"deploymentId": name}, json=body)
        return self.look(name) or DeploymentStatus(name, "CREATING", False, False, "")

    def look(self, name: str) -> DeploymentStatus | None:
        """Return the state of a deployment, or None if it does not exist."""
        path = f"{self._path}/{path_segment(name)}"
        body = none_if_declined(lambda: self._web.ask("GET", path), *GONE)
        if body is None or body.get("state") in ("DELETED", "DELETING"):
            return None
        state = str(body.get("state"))
        model = f"{body.get('baseModel')}#accounts/{self._account}/deployments/{name}"
        return DeploymentStatus(name, state, state in READY, state in FAILED, model)

    def stop(self, name: str) -> None:
        """Stop a deployment, if it exists."""
        self._delete(f"{self._path}/{path_segment(name)}", params={"ignoreChecks": True})


class TogetherHosting(Hosting):
    """Dedicated endpoints that stop when idle. Source: together 3.1.1."""

    chat_path = "/v1/chat/completions"

    def __init__(self, web: HttpClient, project: str) -> None:
        super().__init__(web, f"/v2/projects/{path_segment(project)}/endpoints")
        self._project = project

    def deploy(self, name: str, job: Job) -> DeploymentStatus:
        """Start one replica that stops after half an hour without a request."""
        self._create(self._path, json={"name": name, "visibility": "VISIBILITY_PRIVATE"})
        endpoint = self._endpoint(name)
        if endpoint is None:
            raise NotOffered(f"together does not list the endpoint {name} after its creation.")
        model = (job.raw or {}).get("model_object_id") or job.model
        body = {
            "name": name,
            "model": f"projects/{self._project}/models/{model}",
            "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
            "inactiveTimeout": IDLE_MINUTES,
        }
        self._create(f"{self._endpoint_path(endpoint)}/deployments", json=body)
        return self.look(name) or DeploymentStatus(name, "CREATING", False, False, name)

    def _list(self, path: str, **query: int) -> list[Mapping[str, Any]]:
        return self._web.ask("GET", path, params=query).get("data") or []

    def _endpoint(self, name: str) -> Mapping[str, Any] | None:
        endpoints = self._list(self._path, limit=200)
        return next((e for e in endpoints if str(e.get("name")).rsplit("/", 1)[-1] == name), None)

    def _endpoint_path(self, endpoint: Mapping[str, Any]) -> str:
        return f"{self._path}/{path_segment(endpoint['id'])}"

    def look(self, name: str) -> DeploymentStatus | None:
        """Return the state of an endpoint's one deployment, or None if it does not exist."""
        endpoint = self._endpoint(name)
        if endpoint is None:
            return None
        deployments = self._list(f"{self._endpoint_path(endpoint)}/deployments") or [{}]
        state = str((deployments[0].get("status") or {}).get("state") or "CREATING")
        model = str(endpoint["name"])
        return DeploymentStatus(name, state, state in READY, state in FAILED, model)

    def stop(self, name: str) -> None:
        """Delete the deployment, which is what is billed, and then its endpoint."""
        endpoint = self._endpoint(name)
        if endpoint is None:
            return
        path = self._endpoint_path(endpoint)
        for deployment in self._list(f"{path}/deployments"):
            self._delete(f"{path}/deployments/{path_segment(str(deployment['id']))}")
        self._delete(path)


MANUAL_STEPS = {
    "azure": "Deploy it in the Azure portal or with 'az cognitiveservices account deployment "
    "create'; it is billed by the hour until you delete it there.",
    "nebius": "Download the adapter with 'trainer download RUN' and deploy it on a dedicated "
    "endpoint in the Nebius console; it is billed by the hour until you delete it there.",
}


def hosting_for(provider: str, book: PriceBook) -> Hosting:
    """Return the client for the deployments of a provider.

    Raises:
        NotOffered: there is none; the message says how to deploy instead.
        ApiKeyError: the key or the account id is missing.
    """
    if provider not in ("together", "fireworks"):
        raise NotOffered(MANUAL_STEPS.get(provider, f"{provider} has no deployments by the hour."))
    url = base_url_of(provider, book)
    key = api_key_for(provider, url)
    name = environment_name(provider, "PROJECT_ID" if provider == "together" else "ACCOUNT_ID")
    account = os.environ.get(name)
    if not account:
        raise ApiKeyError(f"{provider}: no account. Set {name} to its id.")
    web = HttpClient(url.rstrip("/").removesuffix("/v1"), key)
    return (
        TogetherHosting(web, account) if provider == "together" else FireworksHosting(web, account)
    )
