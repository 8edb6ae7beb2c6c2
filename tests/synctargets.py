"""SyncTargets, right and wrong: one table for the tests of the models and those on a real API server."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

ABSENT = object()
CANARY = "hunter2"

_SPEC: dict[str, Any] = {
    "tenant": "acme",
    "source": {
        "baseURL": "https://acme.iofficeconnect.com",
        "credentialsSecretRef": {"name": "acme-workplace"},
    },
    "target": {
        "applicationURL": "https://acme.condecosoftware.com",
        "apiURL": "https://integrationapi.condecosoftware.com/Acme",
        "credentialsSecretRef": {"name": "acme-engage"},
        "subscriptionKeysSecretRef": {"name": "acme-keys"},
    },
}

UNGUARDED: dict[str, Any] = {
    "approval": {"required": "Never"},
    "deletion": {
        "budget": {"percent": 100, "count": 1_000_000},
        "subtreeBudget": {"percent": 100},
        "precondition": "None",
    },
    "update": {"budget": {"percent": 100}},
}
"""Of a spec: no guard stops a plan, so that nothing but what is tried protects."""


def spec(**changes: Any) -> dict[str, Any]:
    """The smallest good spec, changed at paths such as ``schedule__interval``; `ABSENT` takes away."""
    made = deepcopy(_SPEC)
    for path, value in changes.items():
        put(made, path.split("__"), value)
    return made


def manifest(spec_: object = None, name: str = "acme") -> dict[str, Any]:
    """A whole SyncTarget."""
    return {
        "apiVersion": "engage-sync.io/v1alpha1",
        "kind": "SyncTarget",
        "metadata": {"name": name},
        "spec": spec() if spec_ is None else spec_,
    }


def put(tree: dict[str, Any], path: list[str], value: object) -> None:
    """Sets or takes away what lies at the path."""
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    if value is ABSENT:
        tree.pop(path[-1], None)
    else:
        tree[path[-1]] = value


@dataclass(frozen=True)
class Bad:
    """One thing wrong: where, what, and what is said of it (`alike`: by both sides, in the same words)."""

    path: str
    value: object
    says: str
    alike: bool = True

    @property
    def field(self) -> str:
        return "spec." + self.path.replace("__", ".")

    @property
    def spec(self) -> dict[str, Any]:
        return spec(**{self.path: self.value})

    def __str__(self) -> str:
        return f"{self.path}={'absent' if self.value is ABSENT else repr(self.value)[:40]}"


GOOD: list[dict[str, Any]] = [
    {},
    {"tenant": "a"},
    {"tenant": "a" * 40},
    {"tenant": "0-0"},
    {"suspend": True, "mode": "Apply", "onboarding": "Existing"},
    {"suspend": None, "schedule": None, "scope": None, "defaults": None, "managementPolicies": None},
    {"schedule": {}},
    {"schedule": {"interval": "5m", "retryInterval": "10s"}},
    {"schedule": {"interval": "8760h", "retryInterval": "24h"}},
    {"schedule": {"interval": "1h30m0.5s", "retryInterval": "10000ms"}},
    {"schedule": {"interval": "0.5h", "retryInterval": "1.5m"}},
    {"source__baseURL": "https://acme.iofficeconnect.com/"},
    {"source__baseURL": "https://ACME.example.com.:8443/a_b/~c/d%20e/"},
    {"source__baseURL": "https://[2001:db8::1]:443/x"},
    {"source__baseURL": "https://192.0.2.7"},
    {"source__credentialsSecretRef": {"name": "a.b-c"}},
    {"source__credentialsSecretRef": {"name": "a" * 253}},
    {"target__rateLimit": {}},
    {"target__rateLimit": {"perMinute": 0, "perWeek": 0}},
    {"target__rateLimit": {"perMinute": 2.0}},
    {"target__rateLimit": {"perWeek": 1_000_000_000}},
    {"scope": {"requireReservationCenter": False, "reservableOnly": False, "countries": ["US", "DE", "US"]}},
    {"scope": {"countries": None}},
    {"defaults": {"country": "DE", "timeZone": "Europe/Berlin", "groupName": "All of {country}, {country}"}},
    {"defaults": {"country": "", "timeZone": "", "groupName": "Everyone"}},
    {"defaults": {"timeZone": "Asia/Kolkata"}},
    {"defaults": {"timeZone": "UTC"}},
    {"managementPolicies": ["*"]},
    {"managementPolicies": ["Observe"]},
    {"managementPolicies": ["Observe", "Create", "Update", "Delete"]},
    {"managementPolicies": ["Delete", "Observe", "Observe"]},
    {"merge": None},
    {"onboarding": "Existing", "merge": {"minimumMatchPercent": 0}},
    {"merge": {"minimumMatchPercent": 100}},
    {"approval": None, "deletion": None, "update": None},
    {"approval": {}, "deletion": {}, "update": {}},
    {"approval": {"required": "Never"}},
    {"approval": {"required": "Always"}},
    {"deletion": {"budget": None, "subtreeBudget": {}}, "update": {"budget": {}}},
    {"deletion__budget": {"percent": 0, "count": 0, "minimumPopulation": 1}},
    {"deletion__budget": {"percent": 100, "count": 10**9, "minimumPopulation": 10**9}},
    {"deletion__subtreeBudget": {"percent": 2}, "update__budget": {"percent": 100}},
    {"deletion": {"precondition": "None", "unknownBookings": "Hold"}},
    {"deletion": {"bookingsWindow": "1h", "gracePeriod": "0h"}},
    {"deletion": {"bookingsWindow": "8760h", "gracePeriod": "8760h"}},
]

LOOPBACK = [
    "http://localhost:8080",
    "http://127.0.0.1:1/Acme",
    "http://127.8.9.1",
    "http://[::1]:8080/x",
    "https://localhost",
    "https://api.localhost",
    "https://LOCALHOST.:9",
    "https://127.0.0.1",
    "https://0.0.0.0",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
]

_TENANT = "tenant must be a DNS label of at most 40 characters"
_SECRET = "name must be the name of a Secret in this namespace"
_POLICIES = 'managementPolicies must be ["*"] alone or a list with Observe in it'
_COUNTRIES = "countries must hold ISO 3166 alpha-2 codes in upper case, such as US or DE"
_INTERVAL = "interval must be a Go duration from 5m to 8760h, such as 24h or 1h30m (there is no unit for"
_RETRY = "retryInterval must be a Go duration from 10s to 24h, such as 5m or 1m30s"
_URL = "must be an https URL (http on loopback only) without user info, query and fragment"
_WINDOW = "bookingsWindow must be a Go duration from 1h to 8760h, such as 2160h or 1h30m"
_GRACE = (
    "gracePeriod must be a Go duration from 0s to 8760h, such as 72h or 1h30m (there is no unit for days)"
)
_PERCENT = "percent must be from 0 to 100; 100 can never be exceeded and so switches this share off"
_MATCH = "minimumMatchPercent must be from 0 to 100; 0 merges however little of both sides matches"
_COUNT = "count must be from 0 to 1000000000; 0 lets nothing be deleted or replaced without an approval"
_POPULATION = "minimumPopulation must be from 1 to 1000000000; percent is not judged for fewer entities"
_BUDGETS = ("deletion__budget", "deletion__subtreeBudget", "update__budget")

BAD = [
    Bad("tenant", "", _TENANT),
    Bad("tenant", "Acme", _TENANT),
    Bad("tenant", "a.b", _TENANT),
    Bad("tenant", "-a", _TENANT),
    Bad("tenant", "a-", _TENANT),
    Bad("tenant", "acme\n", _TENANT),
    Bad("tenant", "a" * 41, _TENANT),
    Bad("merge__minimumMatchPercent", -1, _MATCH),
    Bad("merge__minimumMatchPercent", 101, _MATCH),
    Bad("schedule__interval", "1d", _INTERVAL),
    Bad("schedule__interval", "", _INTERVAL),
    Bad("schedule__interval", "24", _INTERVAL),
    Bad("schedule__interval", "-24h", _INTERVAL),
    Bad("schedule__interval", "24 h", _INTERVAL),
    Bad("schedule__interval", "999999999h", _INTERVAL),
    Bad("schedule__interval", "299.999999999s", "interval must be at least 5m and at most 8760h"),
    Bad("schedule__interval", "8760h1ms", "interval must be at least 5m and at most 8760h"),
    Bad("schedule__interval", "99999h" * 10, "interval must be at least 5m and at most 8760h"),
    Bad("schedule__retryInterval", "1w", _RETRY),
    Bad("schedule__retryInterval", "9.9s", "retryInterval must be at least 10s and at most 24h"),
    Bad("schedule__retryInterval", "25h", "retryInterval must be at least 10s and at most 24h"),
    *(
        Bad(path, url, f"{path.rpartition('__')[2]} {_URL}")
        for path in ("source__baseURL", "target__applicationURL", "target__apiURL")
        for url in (
            "",
            "acme.iofficeconnect.com",
            "https://",
            "https:///x",
            "http://acme.iofficeconnect.com",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://0.0.0.0",
            "HTTPS://acme.example",
            "ftp://acme.example",
            f"https://user:{CANARY}@acme.example",
            f"https://{CANARY}@acme.example",
            f"https://user:12/{CANARY}@acme.example",
            f"https://acme.example/?token={CANARY}",
            "https://acme.example?",
            "https://acme.example#",
            f"https://acme.example/a#{CANARY}",
            "https://acme.example/a b",
            "https://acme.example/\n",
            "https://acme.example\\@evil.example",
            "https://acme_x.example",
            "https://-a.example",
            "https://a..example",
            "https://acme.example:",
            "https://acme.example:x",
            "https://acme.example:123456",
            "https://bücher.example",
            "https://acme.example/%zz",
            " https://acme.example",
        )
    ),
    Bad("source__credentialsSecretRef__name", "", _SECRET),
    Bad("source__credentialsSecretRef__name", "Acme", _SECRET),
    Bad("source__credentialsSecretRef__name", f"{CANARY}!", _SECRET),
    Bad("target__credentialsSecretRef__name", "a" * 254, _SECRET),
    Bad("target__subscriptionKeysSecretRef__name", "a/b", _SECRET),
    Bad("scope__countries", [], "countries must have at least one entry; leave it out to synchronise all"),
    Bad("scope__countries", ["us"], _COUNTRIES),
    Bad("scope__countries", ["US", "USA"], _COUNTRIES),
    Bad("scope__countries", [""], _COUNTRIES),
    Bad("defaults__country", "de", "country must be empty or an ISO 3166 alpha-2 code in upper case"),
    Bad("defaults__timeZone", "Mars Base", "timeZone must be empty or an IANA name, such as Europe/Berlin"),
    Bad("defaults__groupName", "", 'groupName must not be blank; leave it out for "{country} Default Group"'),
    Bad("defaults__groupName", " \t\r\n", "groupName must not be blank"),
    Bad("defaults__groupName", "{city}", "groupName may hold {country} and no other placeholder or brace"),
    Bad("defaults__groupName", "{{country}}", "groupName may hold {country} and no other placeholder"),
    Bad("managementPolicies", [], _POLICIES),
    Bad("managementPolicies", ["*", "Observe"], _POLICIES),
    Bad("managementPolicies", ["*", "*"], _POLICIES),
    Bad("managementPolicies", ["Create", "Delete"], _POLICIES),
    *(Bad(f"{budget}__percent", value, _PERCENT) for budget in _BUDGETS for value in (-1, 101)),
    *(
        Bad(f"{budget}__minimumPopulation", value, _POPULATION)
        for budget in _BUDGETS
        for value in (0, 10**9 + 1)
    ),
    Bad("deletion__budget__count", -1, _COUNT),
    Bad("deletion__budget__count", 10**9 + 1, _COUNT),
    Bad("deletion__bookingsWindow", "90d", _WINDOW),
    Bad("deletion__bookingsWindow", "59m", "bookingsWindow must be at least 1h and at most 8760h"),
    Bad("deletion__bookingsWindow", "8761h", "bookingsWindow must be at least 1h and at most 8760h"),
    Bad("deletion__gracePeriod", "3d", _GRACE),
    Bad("deletion__gracePeriod", "-1s", _GRACE),
    Bad("deletion__gracePeriod", "", _GRACE),
    Bad("deletion__gracePeriod", "8760h1ms", "gracePeriod must be at least 0s and at most 8760h"),
    # From here on the server speaks in its own words, which name the field.
    Bad("tenant", ABSENT, "Required value", alike=False),
    Bad("tenant", None, "Required value", alike=False),
    Bad("tenant", 5, "must be of type string", alike=False),
    Bad("tenant", "a" * 254, "Too long", alike=False),
    Bad("suspend", "yes", "must be of type boolean", alike=False),
    Bad("suspend", 1, "must be of type boolean", alike=False),
    Bad("mode", "Dry", 'Unsupported value: "Dry": supported values: "Plan", "Apply"', alike=False),
    Bad("mode", "", "Unsupported value", alike=False),
    Bad("onboarding", "new", 'supported values: "New", "Existing"', alike=False),
    Bad("merge__minimumMatchPercent", "80%", "must be of type integer", alike=False),
    Bad("merge__percent", 80, "unknown field", alike=False),
    Bad("schedule", "24h", "must be of type object", alike=False),
    Bad("schedule__interval", 24, "must be of type string", alike=False),
    Bad("schedule__interval", "1h" * 33, "Too long", alike=False),
    Bad("source", ABSENT, "Required value", alike=False),
    Bad("source__baseURL", ABSENT, "Required value", alike=False),
    Bad("source__baseURL", f"https://u:{CANARY}@h/{'x' * 1024}", "Too long", alike=False),
    Bad("source__credentialsSecretRef", ABSENT, "Required value", alike=False),
    Bad("source__credentialsSecretRef", {}, "Required value", alike=False),
    Bad("source__credentialsSecretRef__name", CANARY * 200, "Too long", alike=False),
    Bad("target__apiURL", ABSENT, "Required value", alike=False),
    Bad("target__subscriptionKeysSecretRef", ABSENT, "Required value", alike=False),
    Bad("target__rateLimit__perMinute", -1, "greater than or equal to 0", alike=False),
    Bad("target__rateLimit__perMinute", 1.5, "must be of type integer", alike=False),
    Bad("target__rateLimit__perMinute", "5", "must be of type integer", alike=False),
    Bad("target__rateLimit__perMinute", True, "must be of type integer", alike=False),
    Bad("target__rateLimit__perWeek", 10**9 + 1, "less than or equal to", alike=False),
    Bad("target__rateLimit__perWeek", 2**70, "must be of type integer", alike=False),
    Bad("scope__countries", "US", "must be of type array", alike=False),
    Bad("scope__countries", ["US"] * 301, "Too many", alike=False),
    Bad("defaults__timeZone", "a" * 257, "Too long", alike=False),
    Bad("managementPolicies", ["Nothing"], "supported values: ", alike=False),
    Bad("managementPolicies", ["Observe"] * 17, "Too many", alike=False),
    Bad("approval__required", "Sometimes", 'supported values: "Never", "Destructive", "Always"', alike=False),
    Bad("deletion__precondition", "Bookings", 'supported values: "None", "NoFutureBookings"', alike=False),
    Bad("deletion__unknownBookings", True, "must be of type string", alike=False),
    Bad("deletion__budget__percent", 9.5, "must be of type integer", alike=False),
    Bad("deletion__budget__percent", "10%", "must be of type integer", alike=False),
    Bad("deletion__budget__count", 2**70, "must be of type integer", alike=False),
    Bad("deletion__gracePeriod", 0, "must be of type string", alike=False),
    Bad("deletion__subtreeBudget__count", 1, "unknown field", alike=False),
    Bad("update__budget__count", 1, "unknown field", alike=False),
    Bad("bogus", 1, "unknown field", alike=False),
    Bad("bogus", None, "unknown field", alike=False),
    Bad("scope__baseURL", None, "unknown field", alike=False),
    Bad("source__password", CANARY, "unknown field", alike=False),
    Bad("base_url", "https://acme.example", "unknown field", alike=False),
]
