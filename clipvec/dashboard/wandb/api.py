"""A client of wandb's server for dashboards, with the queries of wandb and wandb-workspaces.

``wandb.Api()``, which ``save()`` of wandb-workspaces opens too, is not used: it checks the key
first, and retries endlessly if the server is down or hangs (wandb 0.26.1: ``InternalApi`` retries
for a year unless configured otherwise, which ``wandb.Api`` does not allow).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from clipvec.errors import ConfigError, TrackingError
from clipvec.tracking import wandb_sdk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 8.0
"""How long the server may take to respond."""
_ELSEWHERE = "--local makes a page without it"
_PAGE = 50

ENTITY = "query GetDefaultEntity { viewer { id entity } }"
PROJECT = """
query ProjectInternalId($projectName: String!, $entityName: String!) {
    project(name: $projectName, entityName: $entityName) { id internalId }
}
"""
CREATE_PROJECT = """
mutation CreateProject($input: UpsertModelInput!) {
    upsertModel(input: $input) { project { id } inserted }
}
"""
VIEWS = """
query ProjectViews($project: String!, $entity: String!, $reportCursor: String,
                   $reportLimit: Int!, $viewType: String, $viewName: String) {
    project(name: $project, entityName: $entity) {
        allViews(viewType: $viewType, viewName: $viewName,
                 first: $reportLimit, after: $reportCursor) {
            edges { node { id name displayName createdAt spec } cursor }
            pageInfo { hasNextPage }
        }
    }
}
"""
UPSERT_VIEW = """
mutation upsertView($id: ID, $entityName: String, $projectName: String, $type: String,
                    $name: String, $displayName: String, $description: String, $spec: String!) {
    upsertView(input: {id: $id, entityName: $entityName, projectName: $projectName, type: $type,
                       name: $name, displayName: $displayName, description: $description,
                       createdUsing: WANDB_SDK, spec: $spec}) {
        view { id name }
    }
}
"""


@dataclass(frozen=True)
class Project:
    """An existing project."""

    entity: str
    name: str
    id: str
    """The server's internal id, used in run sets."""


class Server:
    """The server in wandb's settings, with the credentials that wandb would use.

    Every call raises `TrackingError` if the server cannot be reached or fails, and `ConfigError`
    if it refuses the request.
    """

    def __init__(self) -> None:
        try:
            self._connection = wandb_sdk.Connection.open()
        except ConfigError as error:
            raise ConfigError(f"{error}; {_ELSEWHERE}") from error
        self._url = self._connection.url

    def project(self, name: str, entity: str | None) -> Project:
        """Return a project, creating it if needed; without an entity, the user's default one."""
        default = self._ask("the account", ENTITY)["viewer"]
        if default is None:
            raise ConfigError(self._refused_key())
        owner = entity or self._connection.entity or default["entity"]
        path = f"{owner}/{name}"
        wanted = {"projectName": name, "entityName": owner}
        found = self._ask(path, PROJECT, wanted)["project"]
        if found is None:
            self._ask(path, CREATE_PROJECT, {"input": {"name": name, "entityName": owner}})
            found = self._ask(path, PROJECT, wanted)["project"]
        if found is None:
            raise ConfigError(self._refused(path, "the project cannot be seen"))
        return Project(owner, name, found["internalId"])

    def views(self, project: Project, kind: str, name: str | None = None) -> Iterator[Any]:
        """Yield the saved views of a kind: ``id``, ``name``, ``displayName``, ``spec`` ..."""
        wanted = {
            "project": project.name,
            "entity": project.entity,
            "viewType": kind,
            "viewName": name,
            "reportLimit": _PAGE,
        }
        cursor, more = None, True
        while more:
            answer = self._ask(_path(project), VIEWS, wanted | {"reportCursor": cursor})
            page = answer["project"]["allViews"]
            yield from (edge["node"] for edge in page["edges"])
            more = page["pageInfo"]["hasNextPage"]
            cursor = page["edges"][-1]["cursor"] if more else None

    def save_view(self, project: Project, kind: str, values: Mapping[str, str | None]) -> str:
        """Save a view, as a new one if it has no ``id``; return its id."""
        owner = {"entityName": project.entity, "projectName": project.name, "type": kind}
        saved = self._ask(_path(project), UPSERT_VIEW, owner | dict(values))
        return str(saved["upsertView"]["view"]["id"])

    def link(self, project: Project, *rest: str) -> str:
        """Return the browser URL of a project or a page of it."""
        return "/".join(
            [self._connection.app_url, *map(quote, (project.entity, project.name, *rest))]
        )

    def _ask(self, what: str, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        import requests

        try:
            timeout = (CONNECT_SECONDS, ANSWER_SECONDS)
            answer = self._connection.post(query, variables or {}, timeout)
            return self._data(what, answer)
        except requests.Timeout:
            raise TrackingError(
                f"{self._url} did not answer within {ANSWER_SECONDS:g} s; try again later, "
                f"{_ELSEWHERE}"
            ) from None
        except (requests.JSONDecodeError, LookupError, TypeError):
            raise ConfigError(
                f"{self._url} answers, but not as wandb does; check WANDB_BASE_URL"
            ) from None
        except requests.RequestException as error:
            raise TrackingError(
                f"{self._url} cannot be reached ({type(error).__name__}); check the network "
                f"and WANDB_BASE_URL, {_ELSEWHERE}"
            ) from None

    def _data(self, what: str, answer: Any) -> dict[str, Any]:
        status, wrong = answer.status_code, wandb_sdk.error_messages(answer)
        if status == 401:
            raise ConfigError(self._refused_key())
        if status >= 500:
            raise TrackingError(
                f"{self._url} failed (HTTP {status}); try again later, {_ELSEWHERE}"
            )
        if wrong or not answer.ok:
            raise ConfigError(self._refused(what, "; ".join(wrong) or f"HTTP {status}"))
        return dict(answer.json()["data"])

    def _refused(self, what: str, why: str) -> str:
        return (
            f"{self._url} refuses {what}: {why[:300]}; tracking.entity names a user or a team "
            "that you may write to, wandb login --relogin switches accounts"
        )

    def _refused_key(self) -> str:
        return f"{self._url} rejects the key; run wandb login --relogin, or set WANDB_API_KEY"


def _path(project: Project) -> str:
    return f"{project.entity}/{project.name}"
