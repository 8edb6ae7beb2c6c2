"""Where an entity is in the source, and by which rule it is in scope or left out."""

from collections.abc import Callable

from reconcilers.levels import LEVELS, Level, country, region, workspace_type
from reconcilers.model import Entity, Key, Kind, Skip
from reconcilers.source import Building, Floor, Space, SpaceType
from reconcilers.text import clean
from reconcilers.why_case import AnyRecord, Case, centers_of, find, listing_of, some

Sentences = tuple[str, ...]

_BUILDING, _FLOOR, _TYPE = (LEVELS[kind] for kind in (Kind.LOCATION, Kind.FLOOR, Kind.WORKSPACE_TYPE))


def in_source(case: Case) -> Sentences:
    """Is it listed, as what, and where does it hang?"""
    listing = listing_of(case.kind, case.view.observed)
    if listing is None:
        return (_derived(case),)
    told = () if case.record is None else (f"The source lists it: {_told(case.record, case)}.",)
    problems = [record.problem for record in listing.unreadable if _is(case, record.id)]
    unreadable = tuple(f"The source lists it, but it cannot be read: {problem}." for problem in problems[:1])
    return told + unreadable or (_not_listed(case),)


def _is(case: Case, id: int | None) -> bool:
    return LEVELS[case.kind].key("?" if id is None else id) == case.key


def _not_listed(case: Case) -> str:
    if not case.view.gaps:
        return "The source does not list it."
    why = f"the source is not complete ({case.view.gaps[0]})"
    return f"The source does not list it, which does not prove that it is gone, as {why}."


def _told(record: AnyRecord, case: Case) -> str:
    match record:
        case Building():
            city = region.name_of(record.city, record.state)
            code = clean(record.country_code) or "none"
            return f"{_named('building', record)}, city {city}, country code {code}"
        case Floor():
            return f"{_named('floor', record)} of {_building(record.building, case)}"
        case Space():
            bookable = "reservable" if record.reservable else "not reservable"
            told = (_named("space", record), f"on {_floor(record.floor, case)}", _type(record.type, case))
            return ", ".join((*told, bookable))
        case SpaceType():
            return f'{_named("type", record)} in the group "{clean(record.group)}"'


def _named(word: str, record: AnyRecord) -> str:
    return f'{word} {record.id} "{clean(record.name)}"'


def _building(id: int | None, case: Case) -> str:
    found = find(case.view.observed.buildings.items, id)
    return _unlisted("building", id) if found is None else _named("building", found)


def _floor(id: int | None, case: Case) -> str:
    found = find(case.view.observed.floors.items, id)
    if found is None:
        return _unlisted("floor", id)
    return f"{_named('floor', found)} of {_building(found.building, case)}"


def _type(id: int | None, case: Case) -> str:
    found = find(case.view.observed.types.items, id)
    return _unlisted("type", id) if found is None else _told(found, case)


def _unlisted(word: str, id: int | None) -> str:
    return f"no {word}" if id is None else f"{word} {id}, which cannot be read or is not listed"


def _derived(case: Case) -> str:
    there = [_BUILDING.key(building.id) for building in buildings_in(case)]
    if not there:
        return "The source has no records of this kind, and no building of it is there."
    return (
        f"The source has no records of this kind; it comes from the buildings that are there: {some(there)}."
    )


def buildings_in(case: Case) -> list[Building]:
    """The buildings that say that they are in this country or city, in the order of ids."""
    default = country.code_of(case.settings.defaults.country)
    found = {}
    for building in case.view.observed.buildings.items:
        code = country.code_of(building.country_code, default)
        city = region.key_of(code, region.name_of(building.city, building.state))
        wanted = city if case.kind is Kind.REGION else LEVELS[case.kind].key(code)
        if code and wanted == case.key:
            found[building.id] = building
    return [found[id] for id in sorted(found)]


def in_scope(case: Case) -> Sentences:
    """In scope by which rule, or left out for which reason, and what to do about it."""
    if case.entity is not None:
        return (f"In scope: {_RULES[case.kind](case, case.entity)}.",)
    if case.skip is not None:
        return (f"Left out ({case.skip.reason}): {_why_left_out(case.skip, case)}.", _fate(case.skip))
    if case.kind in (Kind.COUNTRY, Kind.REGION, Kind.GROUP):
        return (_why_not_derived(case),)
    if isinstance(case.record, SpaceType):
        group = clean(case.record.group)
        return (
            f'Left out: its group "{group}" is neither We Spaces nor Me Spaces, so nobody books such spaces; '
            "give it one of these groups if people shall book them.",
        )
    return ("Not in scope: the source does not list it.",)


def _fate(skip: Skip) -> str:
    return (
        "What the target holds of it stays, unless its whole location goes."
        if skip.kept
        else "What the target holds of it goes like what is gone from the source."
    )


def _location_rule(case: Case, entity: Entity) -> str:
    building = case.record
    assert isinstance(building, Building), "a desired location has its building"
    centers = centers_of(building, case.view.observed)
    named = [center.id for center in centers] or sorted(building.centers)
    if not case.settings.scope.require_reservation_center:
        center = "no reservation center is asked for (spec.scope.requireReservationCenter is false)"
    else:
        center = f"reservation center {some(named)} names its building"
    above = case.view.desired.entities.get(Key(str(entity.parent)))
    assert above is not None, "a desired location has its region"
    code = str(above.parent).removeprefix(country.LEVEL.prefix)
    allowed = case.settings.scope.countries
    every = "every country is allowed" if allowed is None else "spec.scope.countries names its country"
    return f"{center}, and {every} ({code})"


def _resource_rule(case: Case, entity: Entity) -> str:
    space = case.record
    assert isinstance(space, Space), "a desired resource has its space"
    bookable = (
        "it is reservable"
        if space.reservable
        else "it need not be reservable (spec.scope.reservableOnly is false)"
    )
    place = case.name_of(Key(str(entity.parent)))
    return f"its building {place} is, {_type(space.type, case)} is booked, and {bookable}"


def _type_rule(case: Case, entity: Entity) -> str:
    family = entity.values[workspace_type.LEVEL.index("Family")]
    group = clean(case.record.group) if isinstance(case.record, SpaceType) else ""
    return f'its group "{group}" is booked, so its family is {family}'


def _derived_rule(case: Case, entity: Entity) -> str:
    inside = [location.key for location in _locations_in(case, entity)]
    return f"buildings in scope are there: {some(inside)}"


def _group_rule(case: Case, entity: Entity) -> str:
    why = (
        "the target has it already" if case.current is not None else "its country has no group in the target"
    )
    return f"{case.name_of(Key(str(entity.parent)))} is, and {why}"


_RULES: dict[Kind, Callable[[Case, Entity], str]] = {
    Kind.COUNTRY: _derived_rule,
    Kind.REGION: _derived_rule,
    Kind.GROUP: _group_rule,
    Kind.WORKSPACE_TYPE: _type_rule,
    Kind.LOCATION: _location_rule,
    Kind.FLOOR: lambda case, entity: f"its building {case.name_of(Key(str(entity.parent)))} is",
    Kind.RESOURCE: _resource_rule,
}


def _locations_in(case: Case, entity: Entity) -> list[Entity]:
    """The locations in scope of a country or region, in the order of ids."""
    desired = case.view.desired
    return [
        location
        for location in desired.of(Kind.LOCATION)
        if entity.key in (location.parent, desired.entities[Key(str(location.parent))].parent)
    ]


def locations_in(case: Case, entity: Entity) -> list[Building]:
    """The buildings in scope of a country or region, in the order of ids."""
    ids = [int(_BUILDING.source_key(location.key)) for location in _locations_in(case, entity)]
    found = (find(case.view.observed.buildings.items, id) for id in ids)
    return [building for building in found if building is not None]


def _why_not_derived(case: Case) -> str:
    above = country.LEVEL.key(LEVELS[case.kind].source_key(case.key))
    if case.kind is Kind.GROUP and above in case.view.desired.entities:
        has = f"{case.name_of(above)} has groups of its own in the target"
        return f"Not asked for: {has}, so no default group is made."
    out = [
        f"{key} ({case.skips[key].reason})"
        for building in buildings_in(case)
        if (key := _BUILDING.key(building.id)) in case.skips
    ]
    left_out = f"; left out are {some(out)}" if out else ""
    return f"Not in scope: no building in scope is there{left_out}."


def _why_left_out(skip: Skip, case: Case) -> str:
    """The reason in words, with the field that decides and what to do; what hangs below inherits it."""
    record = case.record
    if isinstance(record, Building):
        return _BUILDING_REASONS.get(skip.reason, _unreadable)(record, case)
    if isinstance(record, Floor):
        return _inherited(_BUILDING, record.building, case)
    if isinstance(record, Space):
        floor = None if record.floor is None else _FLOOR.key(record.floor)
        if floor not in case.view.desired.entities:
            return _with_its_floor(record.floor, case)
        return _SPACE_REASONS.get(skip.reason, _unreadable)(record, case)
    return _unreadable(record, case)


def _inherited(above: Level, id: int | None, case: Case) -> str:
    """Left out with what it hangs below."""
    cause = None if id is None else case.skips.get(above.key(id))
    word = "building" if above is _BUILDING else "floor"
    if cause is None:
        return f"it is on {_unlisted(word, id)}; put it on one that is listed"
    case_above = Case(case.view, case.settings, above.kind, cause.key)
    return f"its {word} {cause.key} is: {_why_left_out(cause, case_above)}"


def _with_its_floor(id: int | None, case: Case) -> str:
    """The building's reason where the floor has that one too, so that the cause comes first."""
    floor = find(case.view.observed.floors.items, id)
    if floor is not None and floor.building is not None and _BUILDING.key(floor.building) in case.skips:
        return _inherited(_BUILDING, floor.building, case)
    return _inherited(_FLOOR, id, case)


def _unreadable(record: AnyRecord | None, case: Case) -> str:
    return "its record cannot be read; correct it in the source"


def _no_center(building: Building, case: Case) -> str:
    return (
        "no reservation center names its building; add the building to a center, "
        "or set spec.scope.requireReservationCenter: false"
    )


def _no_country(building: Building, case: Case) -> str:
    return (
        f'the country code of its address, "{clean(building.country_code)}", is not one of two letters, and '
        "spec.defaults.country is empty; set one of them"
    )


def _country_not_allowed(building: Building, case: Case) -> str:
    code = country.code_of(building.country_code, country.code_of(case.settings.defaults.country))
    allowed = ", ".join(sorted(case.settings.scope.countries or ()))
    return f"its country {code} is not in spec.scope.countries ({allowed}); add it there"


def _no_time_zone(building: Building, case: Case) -> str:
    told = [
        f'center {center.id} says "{clean(center.time_zone)}"'
        for center in centers_of(building, case.view.observed)
    ]
    centers = some(told) if told else "no center of it is listed"
    default = case.settings.defaults.time_zone
    return (
        f"none of its reservation centers tells a time zone that CLDR knows ({centers}), "
        f"spec.defaults.timeZone {'gives none' if default else 'is not set'}, and its country does not have "
        "exactly one zone; set the time zone of a center, or spec.defaults.timeZone"
    )


def _not_booked(space: Space, case: Case) -> str:
    return (
        f"its {_type(space.type, case)} is neither in We Spaces nor in Me Spaces; "
        "give the space another type, or the type another group"
    )


def _not_reservable(space: Space, case: Case) -> str:
    return "it is not reservable; make it so, or set spec.scope.reservableOnly: false"


def _no_type(space: Space, case: Case) -> str:
    return f"it has {_unlisted('type', space.type)}; give it one that is listed"


_BUILDING_REASONS: dict[str, Callable[[Building, Case], str]] = {
    "NoReservationCenter": _no_center,
    "NoCountry": _no_country,
    "OutOfScope": _country_not_allowed,
    "NoTimeZone": _no_time_zone,
}
_SPACE_REASONS: dict[str, Callable[[Space, Case], str]] = {
    "NotBookableType": _not_booked,
    "NotReservable": _not_reservable,
    "Invalid": _no_type,
}
