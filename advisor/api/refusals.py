"""What a door of HTTP can refuse by itself -> errors with a code, a status and a remedy."""

from __future__ import annotations

from advisor.errors import AdvisorError


class RequestRefused(AdvisorError):
    """A request does not have the form that the path takes."""

    code = "request"
    what_to_do = "Send what /api/v1/openapi.json describes, as UTF-8."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


class Malformed(RequestRefused):
    """The body of a request breaks off or breaks the rules of multipart."""

    http_status = 400


class PathRefused(AdvisorError):
    """A request named a file of the server."""

    code = "path-refused"
    what_to_do = "Give dataset.examples and the tokens, or a profile of the file."

    def __init__(self) -> None:
        self.where, self.found = "dataset.path", "a request names no file of this machine."
        self.remedy = "Give dataset.examples and the tokens instead, or a profile."
        super().__init__(f"{self.where}: {self.found} {self.remedy}")


class TooLarge(AdvisorError):
    """A body is larger than is taken here, or than the disk has room for."""

    code = "too-large"
    http_status = 413
    what_to_do = "Send less, or raise the limit of the server."

    def __init__(self, where: str, found: str, remedy: str) -> None:
        self.where, self.found, self.remedy = where, found, remedy
        super().__init__(f"{where}: {found} {remedy}")


class WrongMediaType(AdvisorError):
    """A body is not of the type that the path takes."""

    code = "media-type"
    http_status = 415
    what_to_do = "Send JSON with the header content-type: application/json."

    def __init__(self, found: str) -> None:
        self.where, self.remedy = "content-type", "Send application/json."
        self.found = f"found '{found}', and this path takes JSON."
        super().__init__(f"{self.where}: {self.found} {self.remedy}")


class NotFound(AdvisorError):
    """There is nothing under this path."""

    code = "not-found"
    http_status = 404
    what_to_do = "Take a path that /api/v1/openapi.json lists."


class WrongMethod(AdvisorError):
    """The path is there, but not for this method."""

    code = "wrong-method"
    http_status = 405
    what_to_do = "Take a method that the header Allow names."


class Fault(AdvisorError):
    """A fault of ours: nothing is wrong with the request that we know of."""

    code = "fault"
    http_status = 500
    what_to_do = "Report it with the request id; the log names the place in the code."
