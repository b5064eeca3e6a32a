"""The driver, which sends the operations of the plan at their intended starts, independent of the speed of the bank.

This is an open loop: the start of a request does not wait for the answers to others, and latency counts from the
intended start, so a stall of the bank is visible in every request that it delays.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from time import monotonic_ns

from simulation.attacks.execute import execute_attacks
from simulation.attacks.record import AttackContext
from simulation.client.authenticator import Authenticator
from simulation.client.history import History
from simulation.client.send import BankClient
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.plan import Plan
from simulation.model.progress import Progress
from simulation.run.execute import OperationExecutor

SETUP_IN_FLIGHT = 8
"""The number of concurrent setups. A registration needs 45 ms of a processor, so more would only wait for it."""

OVERTIME_STEP_S = 5.0
"""The time between two evaluations of the criteria in overtime, because one takes some tenths of a second."""


class Driver:
    """A driver that executes a plan once against a bank. Attackers forge tokens with the `token_secret` of the bank."""

    def __init__(
        self,
        plan: Plan,
        client: BankClient,
        history: History,
        *,
        progress: Progress | None = None,
        token_secret: str = "",
        authenticators: Mapping[int, Authenticator] | None = None,
    ) -> None:
        self.plan = plan
        self._progress = progress or Progress()
        self.executor = OperationExecutor(plan, client, history, self._progress, authenticators or {})
        tokens, accounts = self.executor.tokens, self.executor.requests.accounts
        self._attacks = AttackContext(plan, client, history, tokens, accounts, token_secret)

    async def set_up(self) -> None:
        """Register all people, and open and fund their accounts: some people at once, the steps of each in order."""
        setup = self.plan.setup
        self._progress.step("Registering people, opening and funding accounts", len(setup))
        await self.executor.execute(setup[0], monotonic_ns())
        limit = asyncio.Semaphore(SETUP_IN_FLIGHT)

        async def one_customer(chain: Sequence[Operation]) -> None:
            async with limit:
                for _, group in groupby(chain, lambda o: (o.key or o.kind, o.intent is Intent.REPLAY)):
                    await asyncio.gather(*(self.executor.execute(operation, monotonic_ns()) for operation in group))

        async with asyncio.TaskGroup() as group:
            for _, chain in groupby(setup[1:], self._customer_of):
                group.create_task(one_customer(list(chain)))

    def _customer_of(self, operation: Operation) -> int:
        if operation.kind is Kind.DEPOSIT and operation.account is not None:
            return self.plan.accounts[operation.account].person
        return operation.person

    async def warm_up(self) -> None:
        """Execute the warm-up; return when the last request has ended."""
        if self.plan.warmup:
            self._progress.step("Warming up with rare requests")
            await self._start(self.plan.warmup, monotonic_ns())

    async def drive(self) -> None:
        """Start every operation and attack of the drive at its intended start; return when the last one has ended."""
        operations = self.plan.drive
        self._progress.drive(self.plan.duration_s, "Driving the planned load")
        began_ns = self.executor.drive_began_ns = monotonic_ns()
        async with asyncio.TaskGroup() as group:
            group.create_task(execute_attacks(self._attacks, began_ns))
            group.create_task(self._start(operations, began_ns))

    async def _start(self, operations: Sequence[Operation], began_ns: int) -> None:
        async with asyncio.TaskGroup() as group:
            for operation in operations:
                if operation.intent is Intent.ALIAS:
                    continue
                intended_ns = began_ns + operation.at_ns
                wait_s = (intended_ns - monotonic_ns()) / 1e9
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                group.create_task(self.executor.execute(operation, intended_ns))

    async def drive_overtime(self, is_decided: Callable[[], Awaitable[bool]]) -> float:
        """Continue the drive with the overtime until `is_decided`; return the seconds that it took.

        `is_decided` is called before the first operation and after every `OVERTIME_STEP_S`.
        """
        duration_ns = round(self.plan.duration_s * 1e9)
        step_ns = round(OVERTIME_STEP_S * 1e9)
        driven_ns = 0
        for _, operations in groupby(self.plan.overtime, lambda o: (o.at_ns - duration_ns) // step_ns):
            if await is_decided():
                break
            if not driven_ns:
                self._progress.step("Driving in overtime until the success criteria are decided")
            chunk = list(operations)
            begin_ns = duration_ns + (chunk[0].at_ns - duration_ns) // step_ns * step_ns
            await self._start(chunk, monotonic_ns() - begin_ns)
            driven_ns = begin_ns + step_ns - duration_ns
        return min(driven_ns / 1e9, self.plan.overtime_s)

    async def probe(self, is_over: Callable[[], bool]) -> None:
        """Send the probes until `is_over`; return when the last one has ended."""
        operations = self.plan.recovery
        if not operations or is_over():
            return
        self._progress.step("Waiting until the service is back")
        began_ns = monotonic_ns()
        async with asyncio.TaskGroup() as group:
            for operation in operations:
                await asyncio.sleep(max(0.0, (began_ns + operation.at_ns - monotonic_ns()) / 1e9))
                if is_over():
                    return
                group.create_task(self.executor.execute(operation, began_ns + operation.at_ns))

    async def send_burst(self, number: int) -> None:
        """Send one burst of last postings at once; return when all are answered."""
        async with asyncio.TaskGroup() as group:
            for operation in self.plan.bursts[number]:
                group.create_task(self.executor.execute(operation, monotonic_ns()))

    async def send_final_reads(self) -> None:
        """Send the final reads, all at once; return when all are answered."""
        self._progress.step("Sending the final reads", len(self.plan.final_reads))
        await self._start(self.plan.final_reads, monotonic_ns())
