"""What drivers' own checks of contracts ask of the check as a whole: `x07py.drivers.contract_check.ContractCheck`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.contract_files import one_code
from x07py.arch.model import finding
from x07py.contracts.cleartext import other_machines
from x07py.contracts.defaults import built_in_budget
from x07py.contracts.profiles import TOPIC_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from x07py.arch.contracts_checks.contract_files import Contracts
    from x07py.contracts.loader import JsonObject

_BUDGETS_INDEX = "arch/budgets/index.x07budgets.json"


class ProfileCheck:
    """The contracts of one kind of broker, as its driver's check sees them.

    Args:
        state: the check of all contracts.
    """

    def __init__(self, state: Contracts) -> None:
        self._state = state

    def fault(self, code: str, message: str, *, path: str, hint: str, data: Mapping[str, object] | None = None) -> None:
        """Report what is wrong with a file."""
        self._state.report(finding(code, message, path=path, hint=hint, data=dict(data or {})))

    def index(self, path: str, schema: str | JsonObject, code: str) -> JsonObject | None:
        """Return an index that fits its schema, or None after a finding; then no profile in code is judged."""
        found = self._state.load(path, schema, one_code(code), index=True)
        if found is None:
            self._state.broken.add("profiles")
        return found

    def document(self, path: str, schema: str | JsonObject, code: str, wanted: str) -> JsonObject | None:
        """Return a file that fits its schema and calls itself `wanted`, or None after a finding."""
        found = self._state.load(path, schema, one_code(code))
        if found is not None:
            self._state.same_id(found, wanted, path)
        return found

    def unique(self, rows: list[JsonObject], key: str, what: str, path: str) -> None:
        """Report values of `key` that stand twice in a file; ids also where one of them is beside the topics."""
        seen = self._state.broker_ids.setdefault(what, []) if key == "id" else []
        self._state.unique([*seen, *rows], key, what, path)
        seen += rows

    def names(self, *, profiles: Iterable[str] = (), queues: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Let code name these profiles, queues and routing keys."""
        self._state.profiles.update(profiles)
        self._state.queues.update(queues)
        self._state.routing_keys.update(keys)

    def names_unknown(self) -> None:
        """Judge no names of topics in code, since a file that declares some could not be read."""
        self._state.broken.add("topics")

    def entry(self, entry: JsonObject, path: str, budget_code: str, facts: Mapping[str, object]) -> None:
        """Report a row of an index whose record/replay policy or budget profile does not exist."""
        policy_known(self._state, path, entry["rr_policy_id"], {**facts, "rr_policy_id": entry["rr_policy_id"]})
        wanted = entry["budget_profile_id"]
        if wanted in self._state.budgets or "budgets" in self._state.broken:
            return
        if self._state.built_in_budgets and built_in_budget(wanted) is not None:
            return
        near = get_close_matches(wanted, sorted(self._state.budgets), n=1)
        guess = f"did you mean {near[0]!r}? If not, add" if near else "add"
        hint = (
            f"{guess} {wanted!r} to {_BUDGETS_INDEX}, with its profile; "
            "docs/examples/contracts_project/arch/budgets is a set to copy"
        )
        message = f"entry {entry['id']} names budget profile {wanted!r}, which the budgets index lacks"
        self.fault(budget_code, message, path=path, hint=hint, data={**facts, "budget_profile_id": wanted})

    def cleartext(self, hosts: list[str], path: str) -> None:
        """Report hosts on other machines, where a profile logs in without TLS; an exception may say why."""
        for host in other_machines(hosts):
            message = f"the profile logs in at {host} without TLS, where everybody between reads along"
            hint = "set tls to true; if the network is trusted, an exception in the manifest says so, with the reason"
            self.fault("E_ARCH_MSG_CLEARTEXT", message, path=path, hint=hint, data={"host": host})

    def uses_secrets(self, entry: JsonObject, path: str) -> None:
        """Report a profile with secrets whose policy has a sanitizer that redacts no header."""
        policy = entry["rr_policy_id"]
        if self._state.sanitized.get(policy) is False:
            message = f"the profile uses secrets, and the sanitizer of policy {policy} redacts no header"
            hint = "list the headers that may hold credentials in redact_headers of the sanitizer"
            self.fault("E_ARCH_SANITIZER_REQUIRED", message, path=path, hint=hint)

    def largest_message(self, name: str, size: int, entry: JsonObject, path: str) -> None:
        """Report a size of messages that does not fit a recording, or that a topic's largest value does not fit."""
        limits: dict[str, Any] = self._state.rr_policies.get(entry["rr_policy_id"], {}).get("budgets", {})
        for limit_name in ("max_req_bytes", "max_resp_bytes"):
            limit = limits.get(limit_name)
            if limit is not None and size > limit:
                message = f"{name} is {size}, and {limit_name} of policy {entry['rr_policy_id']} is {limit}"
                hint = f"lower {name}, or raise {limit_name} in the policy"
                facts = {"limit": limit_name, "value": size, "maximum": limit}
                self.fault("E_ARCH_MSG_SIZE", message, path=path, hint=hint, data=facts)
        if self._state.topic_bytes > size:
            message = f"a topic admits values of {self._state.topic_bytes} bytes, and {name} is {size}"
            hint = f"raise {name}, or lower max_value_bytes of the topic"
            facts = {"limit": name, "value": self._state.topic_bytes, "maximum": size}
            self.fault("E_ARCH_MSG_SIZE", message, path=path, hint=hint, data=facts)


class BesideTopics(ProfileCheck):
    """The contracts of one kind that stand beside the topics: to its driver's check they look like files.

    Args:
        state: the check of all contracts.
        rows: what stands there, as `x07py.contracts.profiles.beside_topics` returns it.
    """

    def __init__(self, state: Contracts, rows: dict[str, list[JsonObject]]) -> None:
        super().__init__(state)
        self._index: JsonObject = {}
        self._documents: dict[str, JsonObject] = {}
        for name, found in rows.items():
            self._index[name] = []
            for number, row in enumerate(found):
                place = f"{TOPIC_INDEX}#{name}/{number}"
                self._documents[place] = row["document"]
                self._index[name].append(row | {"profile_path": place, "path": place})

    def fault(self, code: str, message: str, *, path: str, hint: str, data: Mapping[str, object] | None = None) -> None:
        """Report what is wrong at the file that holds it."""
        super().fault(code, message, path=path.partition("#")[0], hint=hint, data=data)

    def index(self, path: str, schema: str | JsonObject, code: str) -> JsonObject | None:  # noqa: ARG002 (as the base)
        """Return what stands beside the topics, which was read with them."""
        return self._index

    def document(
        self,
        path: str,
        schema: str | JsonObject,  # noqa: ARG002 (the base's)
        code: str,  # noqa: ARG002
        wanted: str,  # noqa: ARG002
    ) -> JsonObject | None:
        """Return what stands at a place that `index` named."""
        return self._documents[path]

    def unique(self, rows: list[JsonObject], key: str, what: str, path: str) -> None:
        """Report values of `key` that stand twice."""
        super().unique(rows, key, what, path.partition("#")[0])


def policy_known(state: Contracts, path: str, policy: str, facts: dict[str, object]) -> None:
    if policy not in state.rr_policies and "rr" not in state.broken:
        near = get_close_matches(policy, state.rr_policies, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "add the policy to arch/rr/index.x07rr.json"
        message = f"no record/replay policy is called {policy!r}"
        state.report(finding("E_ARCH_RR_POLICY_NOT_FOUND", message, path=path, hint=hint, data=facts))
