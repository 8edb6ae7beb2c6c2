"""A sandbox of both vendors: Eptura Workplace and Eptura Engage, with state, refusals, limits and faults.

Written from the contract and the vendors' documents alone. It must never import the product's clients: one
misunderstanding made twice would cancel itself out, and no test would see it.

    sandbox = Sandbox(clock=clock, sleep=clock.sleep)        # clock = ManualClock()
    client = httpx.AsyncClient(transport=sandbox.transport())
    sandbox.faults.add(Fault(system="engage", method="POST", path="/rooms", occurrences=2, what="reset"))
"""

from engage_sync.sandbox.account import Account, Addresses
from engage_sync.sandbox.clock import ManualClock
from engage_sync.sandbox.faults import Fault, read_faults
from engage_sync.sandbox.load import load_csv
from engage_sync.sandbox.sandbox import Sandbox
from engage_sync.sandbox.wire import Write

__all__ = ["Account", "Addresses", "Fault", "ManualClock", "Sandbox", "Write", "load_csv", "read_faults"]
