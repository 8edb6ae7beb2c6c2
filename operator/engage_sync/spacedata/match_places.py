"""Countries, states and addresses of buildings, as Workplace wants and shows them. Pure."""

from collections import defaultdict

from engage_sync.clients.workplace_held import HeldAddress, HeldBuilding, HeldCountry, HeldState
from engage_sync.spacedata.columns import Column
from engage_sync.spacedata.findings import Finding, Ground
from engage_sync.spacedata.geography import US, US_STATES, country_code
from engage_sync.spacedata.model import Building, SpaceData
from engage_sync.spacedata.world import World
from reconcilers.text import clean, fold

Address = dict[str, object]
_CODE_LENGTH = 3
"""Letters up to which a state elsewhere than in the US counts as a code, not a name."""


class Places:
    """Workplace's countries, and the states that its buildings show: there is no list of them."""

    def __init__(self, data: SpaceData, world: World) -> None:
        self.findings: list[Finding] = []
        self._data = data
        self._by_code = {country.code.upper(): country for country in reversed(world.countries)}
        self._by_id = {country.id: country for country in world.countries}
        self._by_name: dict[str, list[HeldCountry]] = defaultdict(list)
        for country in world.countries:
            self._by_name[fold(country.name)].append(country)
        self._states: dict[tuple[int | None, str], int] = {}
        for building in sorted(world.buildings, key=lambda one: one.id, reverse=True):
            address, state = building.address, building.address.state
            if state.id is not None:
                for text in (state.name, state.code):
                    self._states[address.country_id, fold(text)] = state.id
        self._found: dict[int, int | None] = {}

    def country(self, building: Building) -> int | None:
        """The id of a building's country; None when it names none, or Workplace has none, a finding."""
        if building.row not in self._found:
            self._found[building.row] = self._country(building)
        return self._found[building.row]

    def _country(self, building: Building) -> int | None:
        code = building.country_code or ("" if building.country else _country_of_state(building.state))
        if code:
            # Tenants' lists may spell the code otherwise, such as UK.
            held = self._by_code.get(code) or next(
                (one for one in self._by_id.values() if country_code(one.code or one.name) == code), None
            )
        else:
            named = self._by_name.get(fold(building.country), []) if building.country else []
            held = named[0] if len(named) == 1 else None
        if held is None and (code or building.country):
            self._add(
                Ground.COUNTRY_NOT_IN_WORKPLACE, building, Column.COUNTRY, building.country or code,
                "Workplace has no such country, and none can be created there",
                "write one that it has, by ISO 3166 code such as US",
            )  # fmt: skip
        return held.id if held else None

    def state(self, building: Building, country: int | None) -> object:
        """A reference to a building's state: one that is known, else by name and code."""
        known = self._states.get((country, fold(building.state)))
        if known is not None:
            return {"id": known}
        name = US_STATES.get(building.state, building.state) if self._in_us(country) else building.state
        return {"name": name, "code": building.state if len(building.state) <= _CODE_LENGTH else ""}

    def same_state(self, building: Building, held: HeldState, country: int | None) -> bool:
        """Whether Workplace shows the state that a building shall have."""
        names = {fold(building.state)}
        if self._in_us(country):
            names.add(fold(US_STATES.get(building.state, building.state)))
        return bool(names & {fold(held.code), fold(held.name)})

    def note_building(self, building: Building, held: HeldBuilding | None) -> None:
        """Say why a building will not come to Engage as it is, or what its change costs there."""
        country = self.country(building)
        if country is None and not building.country and (held is None or held.address.country_id is None):
            self._add(
                Ground.NO_COUNTRY, building, Column.COUNTRY, building.label,
                "the building has no country, and without one it does not come to Engage",
                "name it in a column Country, with --country or as spec.defaults.country",
            )  # fmt: skip
        if held is None or not held.reservation_centers:
            self._add(
                Ground.NO_RESERVATION_CENTER, building, Column.BUILDING_NAME, building.label,
                "the building has no reservation center in Workplace, so it will not synchronise",
                "assign one on its Centers tab in Workplace",
            )  # fmt: skip
        if held is not None:
            self._note_move(building, held, country)

    def _note_move(self, building: Building, held: HeldBuilding, country: int | None) -> None:
        moves = None not in (country, held.address.country_id) and country != held.address.country_id
        city = clean(held.address.city)
        if moves or (building.city and city and fold(city) != fold(building.city)):
            self._add(
                Ground.BUILDING_MOVES, building, Column.CITY, building.city,
                "the building changes its country or city, so the next sync makes it anew in Engage with all"
                " in it, and its bookings there are lost",
                "nothing is needed if it is meant, else correct the file",
            )  # fmt: skip

    def _in_us(self, country: int | None) -> bool:
        held = self._by_id.get(country) if country is not None else None
        return held is not None and country_code(held.code) == US

    def _add(
        self, ground: Ground, building: Building, column: Column, value: str, message: str, cure: str
    ) -> None:
        self.findings.append(Finding(ground, self._data.place(building, column), value, message, cure))


def new_address(building: Building, places: Places) -> Address:
    """The address of a building to be created; what is blank is left out."""
    country = places.country(building)
    address: Address = {wire: text for wire, text in _texts(building).items() if text}
    if country is not None:
        address["country"] = {"id": country}
    if building.state:
        address["state"] = places.state(building, country)
    return address


def address_changes(building: Building, held: HeldAddress, places: Places) -> Address:
    """The whole address where any of it differs, else nothing.

    Whole, because nobody but the vendor knows whether a part of it keeps the rest.
    """
    country = places.country(building)
    texts = _texts(building)
    before = {
        "street": held.street, "street2": held.street2, "city": held.city, "postalCode": held.postal_code
    }  # fmt: skip
    same = all(not text or text == clean(before[wire]) for wire, text in texts.items())
    same = same and country in (None, held.country_id)
    effective = held.country_id if country is None else country
    same_state = not building.state or places.same_state(building, held.state, effective)
    if same and same_state:
        return {}
    address: Address = {wire: text or before[wire] for wire, text in texts.items()}
    if effective is not None:
        address["country"] = {"id": effective}
    if building.state and not same_state:
        address["state"] = places.state(building, effective)
    elif held.state.id is not None:
        address["state"] = {"id": held.state.id}
    elif held.state.name or held.state.code:
        address["state"] = {"name": held.state.name or held.state.code, "code": held.state.code}
    return address


def _texts(building: Building) -> dict[str, str]:
    return {
        "street": building.address, "street2": building.address2, "city": building.city,
        "postalCode": building.zip,
    }  # fmt: skip


def _country_of_state(state: str) -> str:
    return US if state in US_STATES else ""
