"""Attributes of an object while it is made, in the order in which code sets them.

From the call of a class until its constructor returns, nothing but the constructor has the object. So an assignment
that surely runs replaces what was there, and hides an attribute of the class of the same name. Where it may not run,
or in another order, both stay possible: in loops, under ``try`` and ``with``, in generators, and in functions that are
handed on. After that, each assignment adds to what an attribute can be.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from x07py.effects.making import Branch, Key, Running
from x07py.effects.parts import Parts
from x07py.effects.values import NOTHING, Atom, Value, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.effects.making import Making, State

_LOOSE = (-1, -1)
"""Stands for an object of which no assignment is surely the last."""
_MOST_FORGOTTEN = 1000
"""After so many runs that are to be made anew the order of assignments counts no longer: it would take minutes."""


class Construction(Parts):
    """Follows what constructors set."""

    making: Making
    shared: dict[Key, Value]

    @contextmanager
    def made(self, this: Atom) -> Iterator[None]:
        """Run what makes an object; what others of its kind have stays possible."""
        making = self.making
        if this in making.fresh or making.forgotten > _MOST_FORGOTTEN:
            yield
            return
        if this in making.born:
            making.again.add(this)
        making.born.add(this)
        making.fresh[this] = making.inside, making.anytime
        for key in self._keys_of(this):
            making.kept[key] = self.attributes.get(key, NOTHING)
        yield
        making.fresh.pop(this, None)
        making.again.discard(this)
        for key in self._keys_of(this):
            self._tell_class(key, self.attributes.get(key, NOTHING))
        self._forget_all()

    def _forget_all(self) -> None:
        """Have functions run anew that saw an object as it no longer is."""
        making = self.making
        for function, key in making.once:
            self.forget(function, key)
        making.forgotten += len(making.once)
        making.once.clear()
        if making.forgotten > _MOST_FORGOTTEN:
            making.fresh.clear()

    def _tell_class(self, key: Key, value: Value) -> None:
        """Note what an attribute can be on any object of a class."""
        at = key[0][1], key[1]
        self.shared[at] = join(self.shared.get(at, NOTHING), value)

    def set_on_object(self, key: Key, value: Value, *, surely: bool) -> None:
        """Note what an attribute of an object is set to.

        Args:
            key: which.
            value: what it is set to.
            surely: whether no other object can be meant.
        """
        making, before = self.making, self.attributes.get(key)
        making.names.setdefault(key[0], {})[key[1]] = None
        after = join(before or NOTHING, value)
        if key[0] not in making.fresh:
            if before is None:
                making.unsure.add(key)
            self._tell_class(key, value)
        else:
            self._remember(key)
            if making.running:
                sets = making.running[-1].sets
                sets[key] = join(sets.get(key, NOTHING), value)
            if surely and making.fresh[key[0]] == (making.inside, making.anytime):
                after = join(value, making.kept.get(key, NOTHING))
                making.unsure.discard(key)
            elif before is None:
                making.unsure.add(key)
            if making.anytime > making.fresh[key[0]][1] >= 0:
                making.kept[key] = join(making.kept.get(key, NOTHING), value)
            if after != before:
                self._forget_all()
                if making.running:
                    making.running[-1].changed = True
        self.attributes[key] = after
        if key in self.relied and after != before:
            for run in self.relied.pop(key).values():
                self.again(run)

    def unset(self, base: Value, name: str) -> None:
        """Note that an attribute may be deleted."""
        for atom in base:
            self.making.gone.add((atom, name))

    def hides(self, key: Key) -> bool:
        """Tell whether an object surely has an attribute of its own; note that somebody looked."""
        making = self.making
        if key[0] in making.fresh and making.running:
            making.running[-1].looked = True
        unsure = key in making.unsure or key in making.gone
        return key[0] in making.born and key in self.attributes and not unsure

    @contextmanager
    def loosely(self) -> Iterator[None]:
        """Run what may run not at all, or several times."""
        self.making.inside += 1
        yield
        self.making.inside -= 1

    @contextmanager
    def anytime(self) -> Iterator[None]:
        """Run what may run at another time."""
        self.making.anytime += 1
        yield
        self.making.anytime -= 1

    def begin_branch(self) -> None:
        """Remember what attributes were before one of several branches."""
        self.making.branches.append(Branch(frozenset(self.making.fresh)))

    def end_branch(self) -> dict[Key, State]:
        """Return what attributes a branch left, and put back what was before it."""
        making = self.making
        before = making.branches.pop().before
        end = {key: (self.attributes.get(key), key in making.unsure) for key in before}
        for key, (value, unsure) in before.items():
            self._put(key, value, unsure=unsure)
        return end

    def join_branches(self, ends: list[dict[Key, State]]) -> None:
        """Let attributes be what any of several branches left."""
        for key in {key: None for end in ends for key in end}:
            self._remember(key)
            before = self.attributes.get(key), key in self.making.unsure
            states = [end.get(key, before) for end in ends]
            value = join(*(one or NOTHING for one, _ in states))
            self._put(key, value, unsure=any(one is None or unsure for one, unsure in states))

    def _remember(self, key: Key) -> None:
        making = self.making
        if making.branches and key[0] in making.branches[-1].objects:
            making.branches[-1].before.setdefault(key, (self.attributes.get(key), key in making.unsure))

    def _put(self, key: Key, value: Value | None, *, unsure: bool) -> None:
        if value is None:
            self.attributes.pop(key, None)
        else:
            self.attributes[key] = value
        (self.making.unsure.add if unsure else self.making.unsure.discard)(key)

    # functions that run meanwhile

    def run_begins(self) -> None:
        """Note that a function is run."""
        self.making.running.append(Running(len(self.making.branches)))

    def returns(self) -> None:
        """Keep in which state a function returns from within a branch."""
        making = self.making
        if making.fresh and making.running and len(making.branches) > making.running[-1].depth:
            making.running[-1].exits.append({key: self.attributes.get(key) for key in self._keys()})

    def run_ends(self, function: Atom, key: Any) -> dict[Key, Value]:
        """Return what a function set of objects that are being made, with all that it called."""
        making = self.making
        run = making.running.pop()
        for state in run.exits:
            for one in self._keys():
                self._may_be(one, state.get(one))
        if making.fresh and (run.looked or run.sets):
            making.once.append((function, key))
            if run.changed and making.forgotten <= _MOST_FORGOTTEN:
                making.forgotten += 1
                self.forget(function, key)
        if making.running:
            above = making.running[-1]
            above.looked = above.looked or run.looked
            above.changed = above.changed or run.changed
            for one, value in run.sets.items():
                above.sets[one] = join(above.sets.get(one, NOTHING), value)
        return run.sets

    def run_repeats(self, sets: dict[Key, Value], *, done: bool) -> None:
        """Let what a function set before be set again, where it is called in the same way."""
        making = self.making
        if not making.fresh:
            return
        if not done:
            making.fresh = dict.fromkeys(making.fresh, _LOOSE)
        for key, value in sets.items():
            if key[0] in making.fresh and key[0] not in making.again:
                self.set_on_object(key, value, surely=False)

    def _keys(self) -> list[Key]:
        """Return the attributes that were set of objects that are being made."""
        return [key for one in self.making.fresh for key in self._keys_of(one)]

    def _keys_of(self, this: Atom) -> list[Key]:
        return [(this, name) for name in self.making.names.get(this, ())]

    def _may_be(self, key: Key, value: Value | None) -> None:
        self._remember(key)
        if value is None:
            self.making.unsure.add(key)
        else:
            self.attributes[key] = join(self.attributes.get(key, NOTHING), value)
