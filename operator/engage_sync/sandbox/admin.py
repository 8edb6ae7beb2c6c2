"""`/_sandbox/…`: looking into both systems, and the edits that their APIs do not offer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from engage_sync.sandbox.engage_kinds import KINDS
from engage_sync.sandbox.faults import parse_faults
from engage_sync.sandbox.fields import Check, filled_text, integer, one_of, read_fields, require, text
from engage_sync.sandbox.wire import Json, Record, RefusedError, Reply, Request, json_reply, template
from engage_sync.sandbox.workplace import MODULES

if TYPE_CHECKING:
    from engage_sync.sandbox.sandbox import Sandbox


def respond(sandbox: Sandbox, request: Request) -> Reply:
    """Answer one request of a tester."""
    try:
        action = _ACTIONS.get((request.method, template(request.path)))
        if action is None:
            known = ", ".join(f"{method} /_sandbox{path}" for method, path in _ACTIONS)
            raise RefusedError(404, f"There is no {request.method} /_sandbox{request.path}; known: {known}.")
        status, payload = action(sandbox, request)
        return json_reply(status, payload)
    except RefusedError as refused:
        return json_reply(refused.status, {"message": refused.message})


def state(sandbox: Sandbox) -> Json:
    """What both sides hold, as their APIs show it."""
    workplace = ("countries", "centers", "buildings", "floors", "rooms", "types")
    sees_all = "buildings(centers(module)),rules"
    return {
        "workplace": {kind: sandbox.workplace.items(kind, selector=sees_all) for kind in workplace},
        "engage": {
            **{kind: sandbox.engage.items(kind) for kind in KINDS},
            "bookings": sandbox.engage.bookings(),
        },
    }


Action = Callable[["Sandbox", Request], tuple[int, Json]]


def _show_state(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    return 200, state(sandbox)


def _show_requests(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    return 200, sandbox.journal.report()


def _reset_requests(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    sandbox.journal.reset()
    return 200, {}


def _show_faults(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    return 200, sandbox.faults.report()


def _add_faults(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    body = _body(request)
    try:
        sandbox.faults.add(*parse_faults(body if isinstance(body, list) else [body], "the body"))
    except ValueError as error:
        raise RefusedError(400, str(error)) from None
    return 201, sandbox.faults.report()


def _clear_faults(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    sandbox.faults.clear()
    return 200, []


def _id_list(value: Json) -> list[int]:
    if not isinstance(value, list):
        raise ValueError("must be a list of ids")
    return [integer(one) for one in value]


_CENTER: dict[str, Check] = {
    "name": filled_text,
    "module": one_of(*MODULES),
    "timeZone": text,  # the IANA name; "" for none
    "buildings": _id_list,
}


def _add_center(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    values = read_fields(_body(request), _CENTER)
    require(values, ("name",))
    buildings = values.pop("buildings", [])
    for building_id in buildings:
        sandbox.workplace.data.get("buildings", building_id, status=400)
    center = sandbox.workplace.data.add("centers", **values)
    sandbox.workplace.data.assign_center(center["id"], buildings)
    return 201, _center(sandbox, center["id"])


def _change_center(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    values = read_fields(_body(request), _CENTER)
    center_id = _ids(request)[0]
    buildings = values.pop("buildings", None)
    sandbox.workplace.data.change("centers", center_id, **values)
    if buildings is not None:
        sandbox.workplace.data.assign_center(center_id, buildings)
    return 200, _center(sandbox, center_id)


def _remove_center(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    sandbox.workplace.data.remove("centers", _ids(request)[0])
    return 200, {}


def _assign(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    center_id, building_id = _ids(request)
    sandbox.workplace.data.assign(center_id, building_id)
    return 200, _center(sandbox, center_id)


def _unassign(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    center_id, building_id = _ids(request)
    sandbox.workplace.data.unassign(center_id, building_id)
    return 200, _center(sandbox, center_id)


def _add_country(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    values = read_fields(_body(request), {"name": filled_text, "alpha2Code": text})
    require(values, ("name",))
    country = sandbox.workplace.data.add("countries", **values)
    return 201, sandbox.workplace.item("countries", country["id"])


def _show_bookings(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    return 200, sandbox.engage.bookings()


def _add_booking(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    fields: dict[str, Check] = {
        "roomId": integer,
        "startDateTime": filled_text,
        "endDateTime": filled_text,
        "meetingTitle": text,
    }
    values = read_fields(_body(request), fields)
    require(values, ("roomId", "startDateTime", "endDateTime"))
    title = values.get("meetingTitle", "Meeting")
    return 201, sandbox.engage.book(
        values["roomId"], values["startDateTime"], values["endDateTime"], title=title
    )


def _cancel_booking(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    return 200, sandbox.engage.data.bookings.cancel(_ids(request)[0])


def _revoke_tokens(sandbox: Sandbox, request: Request) -> tuple[int, Json]:
    sandbox.engage.tokens.revoke()
    return 200, {}


_ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "/state"): _show_state,
    ("GET", "/requests"): _show_requests,
    ("DELETE", "/requests"): _reset_requests,
    ("GET", "/faults"): _show_faults,
    ("POST", "/faults"): _add_faults,
    ("DELETE", "/faults"): _clear_faults,
    ("POST", "/workplace/centers"): _add_center,
    ("PUT", "/workplace/centers/{id}"): _change_center,
    ("DELETE", "/workplace/centers/{id}"): _remove_center,
    ("PUT", "/workplace/centers/{id}/buildings/{id}"): _assign,
    ("DELETE", "/workplace/centers/{id}/buildings/{id}"): _unassign,
    ("POST", "/workplace/countries"): _add_country,
    ("GET", "/engage/bookings"): _show_bookings,
    ("POST", "/engage/bookings"): _add_booking,
    ("DELETE", "/engage/bookings/{id}"): _cancel_booking,
    ("DELETE", "/engage/tokens"): _revoke_tokens,
}


def _body(request: Request) -> Json:
    # Unlike the vendors' APIs this takes what curl -d sends without a header.
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise RefusedError(400, f"The body is not JSON: {error}.") from None


def _ids(request: Request) -> list[int]:
    return [int(part) for part in request.path.split("/") if part.isdecimal()]


def _center(sandbox: Sandbox, center_id: int) -> Record:
    return sandbox.workplace.item("centers", center_id, selector="buildings(centers(module)),rules")
