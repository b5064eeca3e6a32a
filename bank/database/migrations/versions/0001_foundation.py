"""People, accounts, the double-entry ledger, idempotency, the event log and its subscribers, audit, sessions."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PEOPLE = """
create table users (
    id uuid primary key,
    email text not null constraint users_email_is_unique unique check (email = lower(email)),
    full_name text not null,
    cpf text constraint users_cpf_is_unique unique check (cpf ~ '^[0-9]{11}$'),
    password_hash text not null,
    role text not null check (role in ('CUSTOMER', 'OPERATOR', 'ADMIN')),
    -- Grows with the profile and the list of accounts; cached answers carry it.
    version bigint not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check (role <> 'CUSTOMER' or cpf is not null)
);
create table sessions (
    id uuid primary key,
    user_id uuid not null references users,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    closed_at timestamptz,
    ip_address text,
    user_agent text
);
create table refresh_tokens (
    -- Only the digest is kept: who reads this table can open nothing.
    digest bytea primary key,
    session_id uuid not null references sessions,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
)
"""

LEDGER = """
create sequence account_number_sequence;
create table accounts (
    id uuid primary key,
    user_id uuid references users,
    kind text not null check (kind in ('CUSTOMER', 'CASH')),
    number text not null constraint accounts_number_is_unique unique,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    status text not null check (status in ('ACTIVE', 'FROZEN', 'CLOSED')),
    balance_minor bigint not null default 0,
    -- The number of entries; the last entry has this version.
    version bigint not null default 0,
    opening_key text,
    created_at timestamptz not null,
    constraint accounts_opening_key_is_unique unique (user_id, opening_key),
    constraint customers_do_not_overdraw check (kind <> 'CUSTOMER' or balance_minor >= 0),
    check ((kind = 'CUSTOMER') = (user_id is not null))
-- Half of each page is left for the next versions of its rows: a balance changes in place, and no index is touched.
) with (fillfactor = 50);
create table transactions (
    -- No foreign keys on the posting path: the batch has locked the accounts, the guards below compare with them,
    -- and checking again costs 30 % (measured).
    id uuid primary key,
    kind text not null check (kind in ('DEPOSIT', 'TRANSFER')),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    debit_account_id uuid not null,
    credit_account_id uuid not null check (credit_account_id <> debit_account_id),
    description text,
    initiated_by uuid not null,
    created_at timestamptz not null
);
create table entries (
    account_id uuid not null,
    version bigint not null check (version > 0),
    transaction_id uuid not null,
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null,
    balance_after_minor bigint not null,
    created_at timestamptz not null,
    primary key (account_id, version)
);
create table idempotency_keys (
    caller_id uuid not null,
    key text not null check (length(key) between 1 and 255),
    operation text not null,
    request_digest bytea not null,
    outcome json not null,
    transaction_id uuid,
    created_at timestamptz not null,
    primary key (caller_id, key)
)
"""

LOG = """
create table event_log_head (
    one boolean primary key default true check (one),
    position bigint not null
);
insert into event_log_head (position) values (0);
create table event_store (
    id uuid primary key,
    position bigint not null constraint event_store_position_is_unique unique,
    event_type text not null,
    aggregate_id uuid not null,
    aggregate_type text not null,
    event_data jsonb not null,
    event_version integer not null default 1,
    user_id uuid,
    metadata jsonb not null,
    created_at timestamptz not null default now()
);
create table subscriber_positions (
    subscriber text primary key,
    position bigint not null default 0,
    -- Which process delivers to this subscriber, and until when nobody else may.
    owner uuid,
    leased_until timestamptz
);
create table dead_letters (
    subscriber text not null,
    event_position bigint not null,
    error text not null,
    attempts integer not null,
    created_at timestamptz not null default now(),
    redelivered_at timestamptz,
    primary key (subscriber, event_position)
);
create table audit_logs (
    id uuid primary key,
    -- One row for every event: the audit log of S6, and which event it tells of.
    event_position bigint not null constraint audit_logs_tell_each_event_once unique,
    user_id uuid,
    entity_type text not null,
    entity_id uuid not null,
    action text not null,
    old_values jsonb,
    new_values jsonb,
    ip_address text,
    user_agent text,
    created_at timestamptz not null default now()
);
create index audit_logs_by_entity on audit_logs (entity_id, event_position)
"""

# Statement-level triggers: they see all new rows of a batch at once and cost little (R5).
GUARDS = """
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or deleted', tg_table_name using errcode = 'restrict_violation';
end $$
;;
create trigger transactions_are_append_only before update or delete or truncate on transactions
    execute function refuse_change()
;;
create trigger entries_are_append_only before update or delete or truncate on entries execute function refuse_change()
;;
create trigger event_store_is_append_only before update or delete or truncate on event_store
    execute function refuse_change()
;;
create trigger audit_logs_are_append_only before update or delete or truncate on audit_logs
    execute function refuse_change()
;;
create function entries_sum_to_zero() returns trigger language plpgsql as $$
declare wrong uuid;
begin
    select transaction_id into wrong from new_entries
    group by transaction_id, currency having sum(amount_minor) <> 0 limit 1;
    if found then
        raise exception 'the entries of transaction % do not sum to zero', wrong using errcode = 'check_violation';
    end if;
    select e.account_id into wrong from new_entries e
    where not exists (
        select from accounts a
        where a.id = e.account_id and a.currency = e.currency and a.version >= e.version
        and (a.version > e.version or a.balance_minor = e.balance_after_minor)
    ) limit 1;
    if found then
        raise exception 'an entry of account % is not what the account says', wrong using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create trigger entries_sum_to_zero after insert on entries referencing new table as new_entries
    execute function entries_sum_to_zero()
;;
-- No nested loop over what is new and what was: planned for a batch of one, it would be kept for batches of hundreds.
create function balances_change_by_entries() returns trigger language plpgsql set enable_nestloop = off as $$
declare wrong uuid;
begin
    select n.id into wrong
    from new_accounts n join old_accounts o on o.id = n.id
    where not exists (
        select from entries e where e.account_id = n.id and e.version > o.version and e.version <= n.version
        having coalesce(sum(e.amount_minor), 0) = n.balance_minor - o.balance_minor
        and count(*) = n.version - o.version
    ) limit 1;
    if found then
        raise exception 'the balance of account % changed without entries that say so', wrong
            using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create trigger balances_change_by_entries after update on accounts
    referencing old table as old_accounts new table as new_accounts execute function balances_change_by_entries()
;;
create function accounts_open_empty() returns trigger language plpgsql as $$
begin
    raise exception 'account % does not open empty', new.id using errcode = 'check_violation';
end $$
;;
create trigger accounts_open_empty before insert on accounts for each row
    when (new.balance_minor <> 0 or new.version <> 0) execute function accounts_open_empty()
;;
create function positions_are_dense() returns trigger language plpgsql as $$
begin
    if (select max(e.position) <> h.position or h.position - min(e.position) + 1 <> count(*)
        from new_events e, event_log_head h group by h.position) then
        raise exception 'event positions do not end at the head of the log' using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create trigger positions_are_dense after insert on event_store referencing new table as new_events
    execute function positions_are_dense()
"""

# Money that comes from outside is owed by this account, so that every transaction has two sides.
CASH = """
insert into accounts (id, kind, number, currency, status, created_at)
values ('00000000-0000-7000-8000-000000000986', 'CASH', 'CASH-BRL', 'BRL', 'ACTIVE', now())
"""


def upgrade() -> None:
    """Create everything."""
    for script in (PEOPLE, LEDGER, LOG, CASH):
        for statement in script.split(";\n"):
            op.execute(statement)
    for statement in GUARDS.split(";;"):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back would throw the ledger away."""
    raise NotImplementedError("The first migration is not undone: that would delete the ledger. Drop the database.")
