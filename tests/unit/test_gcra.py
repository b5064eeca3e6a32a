"""GCRA as a pure decision: it never admits more than the quota and what is restored, and refuses nothing earlier."""

from hypothesis import given
from hypothesis import strategies as st

from bank.security.gcra import Policy, QuotaState, Usage, decide, divided
from bank.settings import RateLimit

limits = st.builds(RateLimit, st.integers(20, 1_000), st.integers(1, 3_600))
policies = st.builds(Policy, st.just("any"), limits)
costs = st.integers(1, 20)
pauses_us = st.one_of(st.just(0), st.integers(0, 10_000), st.integers(0, 10_000_000))
NOW_US = 1_700_000_000_000_000


def one(policy: Policy, tat_us: int, now_us: int, cost: int = 1) -> QuotaState:
    [state] = decide([Usage(policy, cost)], [tat_us], now_us)
    return state


@given(policy=policies, requests=st.lists(st.tuples(pauses_us, costs), max_size=200))
def test_any_period_admits_at_most_the_quota_and_the_restored_part(
    policy: Policy, requests: list[tuple[int, int]]
) -> None:
    now_us, tat_us = NOW_US, 0
    admitted: list[tuple[int, int]] = []
    for pause_us, cost in requests:
        now_us += pause_us
        state = one(policy, tat_us, now_us, cost)
        tat_us = state.tat_us
        if not state.wait_us:
            admitted.append((now_us, cost))
    for index, (began_us, _) in enumerate(admitted):
        operations = 0
        for at_us, cost in admitted[index:]:
            operations += cost
            restored = (at_us - began_us) * policy.limit.quota / (policy.limit.window_s * 1_000_000)
            assert operations <= policy.limit.quota + restored


@given(policy=policies, requests=st.lists(st.tuples(pauses_us, costs), max_size=50))
def test_a_refused_request_is_admitted_after_its_wait_and_not_a_microsecond_earlier(
    policy: Policy, requests: list[tuple[int, int]]
) -> None:
    now_us, tat_us = NOW_US, 0
    for pause_us, cost in [*requests, *[(0, 20)] * 51]:
        now_us += pause_us
        state = one(policy, tat_us, now_us, cost)
        assert 0 <= state.remaining <= policy.limit.quota
        assert state.remaining >= cost or state.wait_us or state.tat_us > tat_us
        if state.wait_us:
            assert one(policy, tat_us, now_us + state.wait_us, cost).wait_us == 0
            assert one(policy, tat_us, now_us + state.wait_us - 1, cost).wait_us == 1
        tat_us = state.tat_us


@given(policy=policies)
def test_a_new_client_has_exactly_the_quota(policy: Policy) -> None:
    tat_us = 0
    for number in range(policy.limit.quota):
        state = one(policy, tat_us, NOW_US)
        assert (state.wait_us, state.remaining) == (0, policy.limit.quota - number - 1)
        tat_us = state.tat_us
    state = one(policy, tat_us, NOW_US)
    assert (state.wait_us, state.remaining, state.tat_us) == (policy.interval_us, 0, tat_us)


def test_a_refusal_of_one_policy_uses_no_quota_of_the_others() -> None:
    full, free = Policy("full", RateLimit(20, 20)), Policy("free", RateLimit(20, 20))
    used_up = NOW_US + full.tolerance_us
    states = decide([Usage(full, 1), Usage(free, 1)], [used_up, 0], NOW_US)
    assert [(state.tat_us, state.remaining, state.wait_us) for state in states] == [
        (used_up, 0, 1_000_000),
        (NOW_US, 20, 0),
    ]


@given(policy=policies, workers=st.integers(1, 100))
def test_the_shares_of_all_workers_never_exceed_the_rate(policy: Policy, workers: int) -> None:
    share = divided(policy, workers, at_least=20)
    assert workers * share.limit.quota / share.limit.window_s <= policy.limit.quota / policy.limit.window_s
    assert share.limit.quota == max(policy.limit.quota // workers, 20)
