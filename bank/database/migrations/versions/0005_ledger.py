"""Withdrawals, fees, reversals, holds, limits; and a revision that tells caches of every change of an account."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ACCOUNTS = """
alter table accounts
    drop constraint accounts_kind_check,
    add constraint accounts_kind_check check (kind in ('CUSTOMER', 'CASH', 'FEES')),
    drop constraint customers_do_not_overdraw,
    -- What is held is promised to somebody: the sum of the account's authorised holds.
    add column held_minor bigint not null default 0 check (held_minor >= 0),
    add constraint customers_do_not_overdraw check (kind <> 'CUSTOMER' or balance_minor >= held_minor),
    -- Grows with every change of the row, also those that make no entry; cached answers carry it.
    add column revision bigint not null default 0,
    -- What has counted against the daily limit on day `spent_on`.
    add column spent_minor bigint not null default 0 check (spent_minor >= 0),
    add column spent_on date not null default '-infinity',
    -- Null: the bank's own limit applies.
    add column transfer_limit_minor bigint check (transfer_limit_minor >= 0),
    add column daily_limit_minor bigint check (daily_limit_minor >= 0),
    -- Of the last change; entries of one account are never older than those before them.
    add column updated_at timestamptz default now();
-- The bank's own accounts were there before anything was.
update accounts a set revision = version, updated_at = greatest(
    case when kind = 'CUSTOMER' then created_at else 'epoch' end,
    (select e.created_at from entries e where e.account_id = a.id and e.version = a.version)
);
alter table accounts alter column updated_at set not null
"""

TRANSACTIONS = """
alter table transactions
    drop constraint transactions_kind_check,
    add constraint transactions_kind_check
        check (kind in ('DEPOSIT', 'WITHDRAWAL', 'TRANSFER', 'REVERSAL', 'FEE', 'CAPTURE')),
    -- Of a reversal: what it takes back. Of a fee: what it is for.
    add column related_id uuid,
    -- Of a capture: the hold that it ends.
    add column hold_id uuid,
    add constraint transactions_name_what_they_belong_to
        check ((kind in ('REVERSAL', 'FEE')) = (related_id is not null) and (kind = 'CAPTURE') = (hold_id is not null));
create index transactions_by_related on transactions (related_id) where related_id is not null;
create unique index transactions_capture_a_hold_once on transactions (hold_id) where hold_id is not null
"""

HOLDS = """
create table holds (
    id uuid primary key,
    account_id uuid not null,
    to_account_id uuid not null check (to_account_id <> account_id),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    description text,
    status text not null check (status in ('AUTHORIZED', 'CAPTURED', 'RELEASED', 'EXPIRED')),
    captured_minor bigint not null default 0 check (captured_minor between 0 and amount_minor),
    transaction_id uuid,
    initiated_by uuid not null,
    expires_at timestamptz not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    check ((status = 'AUTHORIZED') = (ended_at is null)),
    check ((status = 'CAPTURED') = (transaction_id is not null) and (status = 'CAPTURED') = (captured_minor > 0))
);
create index holds_to_expire on holds (expires_at) where status = 'AUTHORIZED';
create index holds_by_account on holds (account_id, id);
create index holds_that_hold on holds (account_id) where status = 'AUTHORIZED'
"""

GUARDS = """
-- For the rows alone in which it changes, which are few.
create function held_is_the_sum_of_holds() returns trigger language plpgsql as $$
begin
    if new.held_minor <> (
        select coalesce(sum(h.amount_minor), 0) from holds h where h.account_id = new.id and h.status = 'AUTHORIZED'
    ) then
        raise exception 'what is held on account % is not the sum of its holds', new.id
            using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create trigger held_is_the_sum_of_holds after update on accounts for each row
    when (new.held_minor <> old.held_minor) execute function held_is_the_sum_of_holds()
;;
create function holds_end_once() returns trigger language plpgsql as $$
begin
    if tg_op <> 'UPDATE' or old.status <> 'AUTHORIZED' or new.status = 'AUTHORIZED'
        or (new.id, new.account_id, new.to_account_id, new.amount_minor, new.currency, new.created_at)
            is distinct from (old.id, old.account_id, old.to_account_id, old.amount_minor, old.currency, old.created_at)
    then
        raise exception 'a hold ends once, and nothing else about it changes' using errcode = 'restrict_violation';
    end if;
    return new;
end $$
;;
create trigger holds_end_once before update or delete on holds for each row execute function holds_end_once()
;;
create trigger holds_are_kept before truncate on holds execute function refuse_change()
;;
create function reversals_stay_within_the_original() returns trigger language plpgsql as $$
declare wrong uuid;
begin
    -- Nearly every batch is without one, and must not pay for the plan of the join.
    if not exists (select from new_transactions where kind = 'REVERSAL') then
        return null;
    end if;
    select r.related_id into wrong from new_transactions r left join transactions o on o.id = r.related_id
    where r.kind = 'REVERSAL' and (
        o.id is null or o.kind = 'REVERSAL' or o.currency <> r.currency
        or o.debit_account_id <> r.credit_account_id or o.credit_account_id <> r.debit_account_id
        or o.amount_minor < (
            select sum(every.amount_minor) from transactions every
            where every.related_id = o.id and every.kind = 'REVERSAL'
        )
    ) limit 1;
    if found then
        raise exception 'the reversals of transaction % are not within it', wrong using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create trigger reversals_stay_within_the_original after insert on transactions
    referencing new table as new_transactions for each statement execute function reversals_stay_within_the_original()
"""

# What the bank earns.
FEES = """
insert into accounts (id, kind, number, currency, status, created_at, updated_at)
values ('00000000-0000-7000-8000-00000000f986', 'FEES', 'FEES-BRL', 'BRL', 'ACTIVE', now(), 'epoch')
"""


def upgrade() -> None:
    """Add what the ledger needs beyond deposits and transfers."""
    for statement in ACCOUNTS.split(";\n"):
        op.execute(statement)
    for script in (TRANSACTIONS, HOLDS, FEES):
        for statement in script.split(";\n"):
            op.execute(statement)
    for statement in GUARDS.split(";;"):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back would throw holds and reversals away."""
    raise NotImplementedError("This migration is not undone: that would delete holds and reversals.")
