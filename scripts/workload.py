# SPDX-License-Identifier: Apache-2.0
"""Concurrent clients of a kvd cluster that write down exactly what they did and saw.

Three kinds of work run at once, each with its own check afterwards:
  registers   a few keys with two writers and two readers each: linearizability (linearizability.py)
  counter     INCR of one key by several clients: check_counter (oracles.py)
  set         every key written once: check_set (oracles.py)
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from kv_client import Address, Client, Connection, NotExecuted, Reply, Unknown
from kvd_harness import PATIENCE
from linearizability import READ, WRITE, Operation
from oracles import Increment

REGISTERS = 4
CLIENTS_PER_REGISTER = 2
COUNTER = "counter"

# A client that waits longer for a paused node does not write to its successor meanwhile.
_TIMEOUT_SECONDS = 0.4
_BETWEEN_OPERATIONS_SECONDS = 0.004
_AFTER_REFUSAL_SECONDS = 0.01


@dataclass
class History:
    """What the clients did: operations by register, increments of the counter, acknowledged keys of the set."""

    registers: dict[str, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    increments: list[Increment] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def merge(self, other: History) -> None:
        """Adds what another client did."""
        for key, operations in other.registers.items():
            self.registers[key].extend(operations)
        self.increments.extend(other.increments)
        self.added.extend(other.added)

    def add_read(self, key: str, invoked: int, returned: int, reply: Reply, client: str) -> None:
        """Adds one read that was answered."""
        self.registers[key].append(Operation(READ, text(reply), invoked, returned, client))

    @property
    def operations(self) -> int:
        """How many operations there are, with or without an outcome."""
        return sum(map(len, self.registers.values())) + len(self.increments) + len(self.added)


class _Worker(threading.Thread):
    """One client: repeats `step` until the workload stops."""

    def __init__(self, workload: Workload, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.workload = workload
        self.history = History()
        self.rng = random.Random(f"{workload.seed}/{name}")
        self.client = Client(workload.addresses, _TIMEOUT_SECONDS, self.rng)
        self.acknowledged = 0
        self.error: BaseException | None = None
        self.count = 0

    def run(self) -> None:
        try:
            while not self.workload.stopping.wait(_BETWEEN_OPERATIONS_SECONDS):
                self.step()
        except BaseException as error:  # handed to the thread that waits for this one
            self.error = error
        finally:
            self.client.close()

    def step(self) -> None:
        raise NotImplementedError

    def perform(self, *words: str) -> tuple[int, int | None, Reply]:
        """(invoked, returned, reply) of a command; `returned` is None if the outcome is unknown.

        Attempts that certainly had no effect are repeated and leave no trace.
        """
        while True:
            invoked = time.monotonic_ns()
            try:
                reply = self.client.attempt(*words)
            except NotExecuted:
                if self.workload.stopping.wait(_AFTER_REFUSAL_SECONDS):
                    return invoked, None, None
            except Unknown:
                return invoked, None, None
            else:
                self.acknowledged += 1
                return invoked, time.monotonic_ns(), reply


class _RegisterWriter(_Worker):
    def __init__(self, workload: Workload, name: str, register: int) -> None:
        super().__init__(workload, name)
        self.register = register

    def step(self) -> None:
        self.count += 1
        key, value = self.workload.key(self.register), f"{self.name}-{self.count}"
        invoked, returned, reply = self.perform("SET", key, value)
        if returned is not None and reply != b"OK":
            raise RuntimeError(f"SET answered {reply!r}")
        self.history.registers[key].append(Operation(WRITE, value, invoked, returned, self.name))


class _RegisterReader(_RegisterWriter):
    def step(self) -> None:
        key = self.workload.key(self.register)
        invoked, returned, reply = self.perform("GET", key)
        if returned is not None:
            self.history.add_read(key, invoked, returned, reply, self.name)


class _Incrementer(_Worker):
    def step(self) -> None:
        invoked, returned, reply = self.perform("INCR", COUNTER)
        if returned is not None and not isinstance(reply, int):
            raise RuntimeError(f"INCR answered {reply!r}")
        self.history.increments.append(Increment(invoked, returned, reply if isinstance(reply, int) else None))


class _Adder(_Worker):
    def step(self) -> None:
        self.count += 1
        key = f"{self.name}-{self.count}"
        _, returned, _ = self.perform("SET", key, key)
        if returned is not None:
            self.history.added.append(key)


class Workload:
    """The clients, started and stopped together."""

    def __init__(self, addresses: Mapping[int, Address], seed: int) -> None:
        self.addresses = addresses
        self.seed = seed
        self.stopping = threading.Event()
        self.generation = 0
        self.ambushed = History()
        self.workers: list[_Worker] = []
        for register in range(REGISTERS):
            for client in range(CLIENTS_PER_REGISTER):
                self.workers.append(_RegisterWriter(self, f"w{register}.{client}", register))
                self.workers.append(_RegisterReader(self, f"r{register}.{client}", register))
        self.workers += [_Incrementer(self, f"incr{client}") for client in range(2)]
        self.workers += [_Adder(self, f"add{client}") for client in range(2)]

    def key(self, register: int) -> str:
        """The key that a register stands for now. Fresh keys now and then keep each history short."""
        return f"register-{self.generation}-{register}"

    def current_keys(self) -> list[str]:
        """The keys of all registers now."""
        return [self.key(register) for register in range(REGISTERS)]

    def start(self) -> None:
        """Starts the clients."""
        for worker in self.workers:
            worker.start()

    def stop(self) -> History:
        """Stops the clients; returns everything they did. Raises what a client stumbled over."""
        self.stopping.set()
        for worker in self.workers:
            if worker.is_alive():
                worker.join()
        self.raise_errors()
        history = History()
        history.merge(self.ambushed)
        for worker in self.workers:
            history.merge(worker.history)
        return history

    def raise_errors(self) -> None:
        """Raises what a client stumbled over, if one did."""
        for worker in self.workers:
            if worker.error is not None:
                raise worker.error

    @property
    def acknowledged(self) -> int:
        """How many commands were acknowledged so far."""
        return sum(worker.acknowledged for worker in self.workers)

    def wait_for_acknowledgements(self, count: int = 1, timeout: float = PATIENCE) -> float:
        """Waits until `count` more commands are acknowledged; returns the seconds it took, or raises TimeoutError."""
        began = time.monotonic()
        enough = self.acknowledged + count
        while self.acknowledged < enough:
            self.raise_errors()
            if time.monotonic() - began > timeout:
                raise TimeoutError(f"no {count} commands were acknowledged within {timeout} s")
            time.sleep(0.002)
        return time.monotonic() - began


class Ambush:
    """Reads that are sent to a paused node and answered only once it runs again.

    They begin after its successor has acknowledged writes. A node that still takes itself for the leader when it wakes
    up must not answer them from its own state.
    """

    def __init__(self, workload: Workload, address: Address) -> None:
        self.workload = workload
        self.pending = []
        for key in workload.current_keys():
            connection = Connection(address, timeout=10.0)
            invoked = time.monotonic_ns()
            connection.send("GET", key)
            self.pending.append((key, invoked, connection))

    def collect(self) -> int:
        """Records the answers, after the node was woken; returns how many reads the node answered itself."""
        answered = 0
        for key, invoked, connection in self.pending:
            try:
                reply = connection.receive()
            except (NotExecuted, Unknown):
                continue
            finally:
                connection.close()
            self.workload.ambushed.add_read(key, invoked, time.monotonic_ns(), reply, "ambush")
            answered += 1
        return answered


def text(reply: Reply) -> str | None:
    """The value of a GET."""
    if reply is None:
        return None
    if not isinstance(reply, bytes):
        raise RuntimeError(f"GET answered {reply!r}")
    return reply.decode()
