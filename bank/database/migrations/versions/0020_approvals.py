"""Approvals by a second member of staff: what was asked for, and what was decided."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = """
create table approvals (
    id uuid primary key,
    kind text not null check (kind in ('DEPOSIT', 'WITHDRAWAL', 'REVERSAL', 'ACCOUNT_LIMITS', 'ROLE')),
    account_id uuid,
    subject_id uuid,
    original_id uuid,
    amount_minor bigint check (amount_minor > 0),
    currency text,
    description text,
    transfer_limit_minor bigint check (transfer_limit_minor >= 0),
    daily_limit_minor bigint check (daily_limit_minor >= 0),
    old_transfer_limit_minor bigint,
    old_daily_limit_minor bigint,
    role text,
    old_role text,
    requested_by uuid not null,
    requested_at timestamptz not null,
    expires_at timestamptz not null,
    status text not null check (status in ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED')),
    decided_by uuid,
    decided_at timestamptz,
    reason text,
    transaction_id uuid,
    refusal_code text,
    refusal_message text,
    constraint approvals_are_about_one_thing check (case kind
        when 'ROLE' then subject_id is not null and num_nulls(role, old_role) = 0
            and num_nonnulls(account_id, amount_minor, currency, original_id) = 0
        when 'ACCOUNT_LIMITS' then account_id is not null and num_nonnulls(subject_id, amount_minor, original_id) = 0
        else account_id is not null and num_nulls(amount_minor, currency) = 0 and subject_id is null
            and (kind = 'REVERSAL') = (original_id is not null) end),
    constraint approvals_need_two_people check (decided_by <> requested_by and decided_by <> subject_id),
    -- An expiry has no decider, a rejection has a reason.
    constraint approvals_are_decided_once check (
        (status = 'PENDING') = (decided_at is null) and (status in ('APPROVED', 'REJECTED')) = (decided_by is not null)
        and (status = 'REJECTED') = (reason is not null)),
    -- Approved money has moved, or its refusal is recorded.
    constraint approvals_are_executed check (
        (refusal_code is null) = (refusal_message is null) and (refusal_code is null or status = 'APPROVED')
        and (transaction_id is not null) = (
            status = 'APPROVED' and refusal_code is null and kind in ('DEPOSIT', 'WITHDRAWAL', 'REVERSAL'))),
    constraint approvals_are_encrypted check (description like 'enc1.%' and reason like 'enc1.%')
)
"""

UPGRADE = (
    TABLE,
    # The queue of staff, and the requests that expire.
    "create index approvals_pending on approvals (id) where status = 'PENDING'",
    "create index approvals_to_expire on approvals (expires_at) where status = 'PENDING'",
    # One request at a time about the limits of an account or the role of a user.
    """
    create unique index approvals_of_one_account on approvals (account_id)
        where status = 'PENDING' and kind = 'ACCOUNT_LIMITS'
    """,
    "create unique index approvals_of_one_user on approvals (subject_id) where status = 'PENDING' and kind = 'ROLE'",
    # One approval moves money once.
    "create unique index approvals_move_money_once on approvals (transaction_id) where transaction_id is not null",
    """
    create function approvals_end_once() returns trigger language plpgsql as $$
    begin
        if tg_op <> 'UPDATE' or old.status <> 'PENDING' or new.status = 'PENDING'
            or (new.id, new.kind, new.account_id, new.subject_id, new.original_id, new.amount_minor, new.currency,
                new.description, new.transfer_limit_minor, new.daily_limit_minor, new.old_transfer_limit_minor,
                new.old_daily_limit_minor, new.role, new.old_role, new.requested_by, new.requested_at, new.expires_at)
                is distinct from
               (old.id, old.kind, old.account_id, old.subject_id, old.original_id, old.amount_minor, old.currency,
                old.description, old.transfer_limit_minor, old.daily_limit_minor, old.old_transfer_limit_minor,
                old.old_daily_limit_minor, old.role, old.old_role, old.requested_by, old.requested_at, old.expires_at)
        then
            raise exception 'an approval is decided once, and nothing else about it changes'
                using errcode = 'restrict_violation';
        end if;
        return new;
    end $$
    """,
    """
    create trigger approvals_end_once before update or delete on approvals
        for each row execute function approvals_end_once()
    """,
    "create trigger approvals_are_kept before truncate on approvals execute function refuse_change()",
    """
    do $$
    begin
        execute format('alter function approvals_end_once() set search_path = %I, pg_temp set enable_seqscan = off',
            current_schema());
    end $$
    """,
    "grant select, insert, update on approvals to bank_app",
)


def upgrade() -> None:
    """Add the table with its guards."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: the requests and their decisions would be lost."""
    raise NotImplementedError("Approvals are not taken away: restore a backup instead.")
