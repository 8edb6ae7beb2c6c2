"""Keeps the plan that waits for an approval in the state folder, for the command line.

One file, `plan`, beside the mapping and under its lock: what `plan` and `sync` have shown, so that
`sync --approve` knows what its digest stands for.
"""

import asyncio
import gzip
import json
import re
import zlib
from pathlib import Path

from engage_sync.plan_document import NotThisPlan, PlanDocument, document_of, read_document
from engage_sync.plans import life
from engage_sync.store.durable import replace_file
from engage_sync.store.errors import StoreUnavailable
from engage_sync.store.index import Identity
from reconcilers.errors import ConfigError, SyncError
from reconcilers.guard import Approval
from reconcilers.plan import Plan
from reconcilers.report import Report

_FILE = "plan"
_DIGEST = re.compile("sha256:[0-9a-f]{64}")


class FilePlans:
    """The Plans port in a folder, for one identity: a digest approves the plan that was shown there last."""

    def __init__(self, folder: Path, identity: Identity, approve: str | None, *, apply: bool) -> None:
        """`approve` is the digest that a person gives; it counts only for a run that applies."""
        self.published = ""
        """The digest by which the held steps of the plan can be approved; empty when nothing is held."""
        self._folder = folder
        self._identity = identity
        self._approve = approve if apply else None
        self._taken: Approval | None = None
        self._pending: PlanDocument | None = None
        """What waits as soon as the run has come to its end."""

    async def approved(self) -> Approval | None:
        """The approval of the plan that waits. Raises ConfigError when that has another digest."""
        if self._approve is None:
            return None
        document = await asyncio.to_thread(waiting_plan, self._folder, self._approve, self._identity)
        self._taken = document.approval(self._approve)
        return self._taken

    async def publish(self, plan: Plan) -> None:
        """Keep the plan that waits now. Raises StoreUnavailable when it cannot be kept.

        One that is being used, or of which nothing was found to wait any more, stays until `close`.
        """
        document = document_of(plan)
        self.published = document.held_digest
        if document.held_digest and (self._taken is None or plan.beyond):
            await asyncio.to_thread(self._keep, document)
        else:
            self._pending = document

    async def close(self, report: Report | None, error: SyncError | None) -> None:
        """What waited is spent or gone, if the run can tell. Raises StoreUnavailable as `publish`.

        It cannot when it ended early, or what it read was incomplete; then the next one goes on there.
        """
        if self._pending is None or report is None or error or report.ended_by:
            return
        if life.is_conclusive(report) if self._taken is None else life.spent(report, self._taken):
            await asyncio.to_thread(self._keep, self._pending)

    def _keep(self, document: PlanDocument) -> None:
        try:
            if document.held_digest:
                replace_file(self._folder / _FILE, _packed(document, self._identity))
            else:
                (self._folder / _FILE).unlink(missing_ok=True)
        except OSError as error:
            path = self._folder / _FILE
            raise StoreUnavailable(f"state file {path} cannot be written: {error.strerror}") from error


def waiting_plan(folder: Path, digest: str, identity: Identity | None = None) -> PlanDocument:
    """The plan that waits in a folder, if this is its digest or that of its held steps.

    Raises:
        ConfigError: it is not, or none waits, or it is the plan of another identity than the one given.
    """
    if not _DIGEST.fullmatch(digest):
        raise ConfigError(
            f"--approve: {digest!r} is no digest; give sha256: and 64 hexadecimal digits, "
            "as engage-sync plan prints them"
        )
    kept = _kept(folder / _FILE)
    if kept is None or (identity is not None and kept[0] != identity):
        raise ConfigError(
            f"--approve: no plan with digest {digest} waits; run engage-sync plan first, it prints the digest"
        )
    document = kept[1]
    if digest not in (document.held_digest, document.digest):
        raise ConfigError(
            f"--approve: no plan with digest {digest} waits; the one that waits now is "
            f"{document.held_digest}, engage-sync plan shows it"
        )
    return document


def _kept(path: Path) -> tuple[Identity, PlanDocument] | None:
    try:
        found = json.loads(gzip.decompress(path.read_bytes()))
        steps, notes = (found[name].encode("utf-8", "surrogatepass") for name in ("steps", "notes"))
        document = read_document(steps, notes, found["digest"], found["riskDigest"])
        return Identity(found["uid"], found["baseURL"], found["apiURL"]), document
    except FileNotFoundError:
        return None
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, TypeError, AttributeError, KeyError,
            RecursionError, NotThisPlan):  # fmt: skip
        raise ConfigError(
            f"state file {path} is damaged; run engage-sync plan, it writes it anew and prints the digest"
        ) from None
    except OSError as error:
        raise ConfigError(f"state file {path} cannot be read: {error.strerror}") from error


def _packed(document: PlanDocument, identity: Identity) -> bytes:
    steps, notes = (stream.decode("utf-8", "surrogatepass") for stream in document.streams())
    content = {
        "uid": identity.uid,
        "baseURL": identity.base_url,
        "apiURL": identity.api_url,
        "digest": document.digest,
        "heldDigest": document.held_digest,
        "riskDigest": document.risk_digest,
        "steps": steps,
        "notes": notes,
    }
    return gzip.compress(json.dumps(content).encode(), mtime=0)
