"""A small portfolio, and an edit of it after which a run creates, updates, deletes, adopts and replaces.

Also what is compared: what Engage holds without its internal ids, and how often each entity was written.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from engage_sync.sandbox.sandbox import Sandbox

Item = Mapping[str, Any]
CENTER, BERLIN, DALLAS = "Center", "Europe/Berlin", "America/Chicago"


def found(sandbox: Sandbox) -> None:
    """Before the first run: three buildings in two countries; someone has made France in Engage by hand."""
    seed = sandbox.seed
    europe, texas = seed.center(CENTER, zone=BERLIN), seed.center(CENTER, zone=DALLAS)
    huddle = seed.space_type("Huddle", "We Spaces")
    bench = seed.space_type("Bench", "Me Spaces")
    tower = seed.building("Tower", country="US", city="Houston", center=texas)
    annex = seed.building("Annex", country="US", city="Houston", center=texas)
    ranch = seed.building("Ranch", country="US", city="Dallas", center=texas)
    mill = seed.building("Mill", country="DE", city="Kassel", center=europe)
    for number, building in enumerate((tower, annex, ranch, mill)):
        ground, first = seed.floor(building, "Ground"), seed.floor(building, "Level 1")
        seed.room(ground, huddle, f"Gemini {number}", capacity=6)
        seed.room(ground, huddle, f"Apollo {number}", capacity=8)
        seed.room(first, bench, f"Desk {number}-1")
        seed.room(first, bench, f"Desk {number}-2")
    france = seed.engage("countries", ResourceName="France", CountryCode="FR")
    seed.engage("groups", ResourceName="Everyone in Paris", InternalParentId=france)
    seed.engage("regions", ResourceName="Paris", InternalParentId=france)


def edit(sandbox: Sandbox) -> None:
    """What changes in Workplace between the two runs. Ids count from 1, in the order of `found`."""
    seed, data = sandbox.seed, sandbox.workplace.data
    # Adopted: a country, a city and a workspace type that are there already.
    louvre = seed.building("Pavillon", country="FR", city="Paris", center=1)
    meeting = seed.space_type("Meeting Room", "We Spaces")
    seed.room(seed.floor(louvre, "Ground"), meeting, "Mona Lisa", capacity=12)
    # Created: a country with all that belongs to it.
    fort = seed.building("Fort", country="IN", city="Pune", center=1)
    seed.room(seed.floor(fort, "Ground"), 1, "Shivaji", capacity=4)
    # Updated: a building and a floor renamed, two rooms swap their names.
    data.change("buildings", 1, name="Spire")
    data.change("floors", 2, name="Level 2")
    data.change("rooms", 1, name="Apollo 0")
    data.change("rooms", 2, name="Gemini 0")
    # Deleted: a desk; a building with its city and country.
    data.remove("rooms", 3)
    data.remove("buildings", 4)
    # Replaced: a city corrected, a desk moved to another building, a meeting space made a personal one.
    data.change("buildings", 3, city="Austin")
    data.change("rooms", 8, floorId=2)
    data.change("rooms", 5, typeId=2)


REFERENCES = {
    "InternalParentId": ("countries", "regions", "locations"),
    "LocationId": ("locations",),
    "GroupId": ("groups",),
    "WorkspaceTypeId": ("workspaceTypes",),
}


def canonical(engage: Mapping[str, list[Item]]) -> dict[str, dict[str, Any]]:
    """What Engage holds, by external id or else by kind and name, with references in these words too."""
    names = {
        item["InternalId"]: _name(kind, item)
        for kind, items in engage.items()
        if kind != "bookings"
        for item in items
    }
    return {
        names[item["InternalId"]]: {"kind": kind} | _in_words(item, names)
        for kind, items in engage.items()
        if kind != "bookings"
        for item in items
    }


def duplicates(engage: Mapping[str, list[Item]]) -> list[str]:
    """External ids and siblings' names that are there more than once; all spaces are siblings."""
    times: Counter[str] = Counter()
    for kind, items in engage.items():
        for item in items if kind != "bookings" else ():
            level = "resources" if kind in ("rooms", "desks") else kind
            parent = item.get("LocationId") or item.get("InternalParentId")
            times[f"{level} {parent} {item['ResourceName'].strip().casefold()}"] += 1
            if item["ExternalId"]:
                times[f"{level} {item['ExternalId']}"] += 1
    return [what for what, count in times.items() if count > 1]


def tally(writes: Iterable[Item], engage: Mapping[str, list[Item]]) -> dict[str, Counter[str]]:
    """How often each entity was made, changed and removed, by the journal's committed writes.

    `engage` is what was held before the first of them: it names what was there by then.
    """
    names = {
        item["InternalId"]: _name(kind, item)
        for kind, items in engage.items()
        if kind != "bookings"
        for item in items
    }
    counts: dict[str, Counter[str]] = {"create": Counter(), "update": Counter(), "delete": Counter()}
    for write in writes:
        body = write["body"] or {}
        if body.get("ExternalId"):
            names[write["id"]] = body["ExternalId"]
        # A group added to a location is a change of the location; one at the root is made.
        made = write["method"] == "POST" and not re.search(r"/locations/\d+/groups$", write["path"])
        what = "create" if made else "delete" if write["method"] == "DELETE" else "update"
        counts[what][names[write["id"]]] += 1
    return counts


def _name(kind: str, item: Item) -> str:
    return str(item["ExternalId"] or f"{kind}:{item['ResourceName']}")


def _in_words(item: Item, names: Mapping[int, str]) -> dict[str, Any]:
    words = {name: value for name, value in item.items() if name != "InternalId"}
    for name in REFERENCES:
        if words.get(name):
            words[name] = names[words[name]]
    if "LocationGroupMappings" in words:
        words["LocationGroupMappings"] = sorted(
            names[each["GroupId"]] for each in words["LocationGroupMappings"]
        )
    return words
