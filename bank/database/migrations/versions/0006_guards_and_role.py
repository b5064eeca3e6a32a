"""The guards that were missing, and the role that the running bank works as."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A transaction names its two entries by their keys, so that looking for them costs one step down an index each.
ENTRIES_OF = """
alter table transactions disable trigger transactions_are_append_only
;;
alter table transactions add column debit_version bigint, add column credit_version bigint
;;
update transactions t set debit_version = d.version, credit_version = c.version
from entries d, entries c
where d.transaction_id = t.id and d.account_id = t.debit_account_id
and c.transaction_id = t.id and c.account_id = t.credit_account_id
;;
alter table transactions alter column debit_version set not null, alter column credit_version set not null
;;
alter table transactions enable trigger transactions_are_append_only
"""

# Statement-level like the others; all of a statement's rows are there when they run, in whatever order it wrote them.
# `offset 0` keeps each look-up a step down an index: joined, a plan made for a batch of one would be kept for 256.
GUARDS = """
create or replace function entries_sum_to_zero() returns trigger language plpgsql as $$
declare wrong uuid;
begin
    select transaction_id into wrong from new_entries
    group by transaction_id, currency having sum(amount_minor) <> 0 limit 1;
    if found then
        raise exception 'the entries of transaction % do not sum to zero', wrong using errcode = 'check_violation';
    end if;
    -- The last entry tells the account's balance; of each other one the next entry begins with what it tells.
    select e.account_id into wrong from new_entries e
    where not exists (
        select from accounts a
        where a.id = e.account_id and a.currency = e.currency and a.version >= e.version and case
            when a.version = e.version then a.balance_minor = e.balance_after_minor
            else exists (
                select from entries next
                where next.account_id = e.account_id and next.version = e.version + 1
                and next.balance_after_minor - next.amount_minor = e.balance_after_minor
            )
        end offset 0
    ) limit 1;
    if found then
        raise exception 'an entry of account % is not what the account says', wrong using errcode = 'check_violation';
    end if;
    select e.transaction_id into wrong from new_entries e
    where not exists (
        select from transactions t
        where t.id = e.transaction_id and t.currency = e.currency and case
            when e.amount_minor < 0 then t.debit_account_id = e.account_id and t.debit_version = e.version
                and t.amount_minor = -e.amount_minor
            else t.credit_account_id = e.account_id and t.credit_version = e.version
                and t.amount_minor = e.amount_minor
        end offset 0
    ) limit 1;
    if found then
        raise exception 'an entry is not what its transaction % says', wrong using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
-- The debited side is enough: entries come in pairs that sum to zero, each as its transaction says.
create function transactions_have_entries() returns trigger language plpgsql as $$
declare wrong uuid;
begin
    select t.id into wrong from new_transactions t
    where not exists (
        select from entries e
        where e.account_id = t.debit_account_id and e.version = t.debit_version and e.transaction_id = t.id offset 0
    ) limit 1;
    if found then
        raise exception 'transaction % is written without its entries', wrong using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create trigger transactions_have_entries after insert on transactions referencing new table as new_transactions
    execute function transactions_have_entries()
;;
-- With the guard of the store, which has each statement's positions end at the head, this leaves no way to a gap.
-- One row a batch, looked at when it commits: the events may be written after the head has moved.
create function head_moves_with_events() returns trigger language plpgsql as $$
begin
    if new.position < old.position or (
        new.position > old.position and not exists (select from event_store where position = old.position + 1)
    ) then
        raise exception 'the head of the log moved from % to % without events', old.position, new.position
            using errcode = 'check_violation';
    end if;
    return null;
end $$
;;
create constraint trigger head_moves_with_events after update on event_log_head deferrable initially deferred
    for each row execute function head_moves_with_events()
"""

# A temporary table of the same name comes before the real one, unless a function says otherwise. And a plan from when a
# table fitted on a page, which reads all of it, would be kept for up to a minute while the table grows.
SETTINGS = """
do $$
declare guard regprocedure;
begin
    for guard in select p.oid from pg_proc p
        where p.pronamespace = current_schema()::regnamespace and p.prorettype = 'trigger'::regtype
    loop
        execute format(
            'alter function %s set search_path = %I, pg_temp set enable_seqscan = off', guard, current_schema()
        );
    end loop;
end $$
"""

# Roles belong to the whole server. Another database's migration may make it at this moment: then this one waits for the
# other's end, and finds it made.
ROLE = """
do $$
begin
    if not exists (select from pg_roles where rolname = 'bank_app') then
        begin
            create role bank_app nologin;
        exception
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then
                raise exception 'User % may not create the role bank_app, which the bank works as. An administrator'
                    ' runs once: create role bank_app; grant bank_app to %;', current_user, quote_ident(current_user)
                    using errcode = 'insufficient_privilege';
        end;
    end if;
    if exists (
        select from pg_roles where rolname = 'bank_app'
        and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
    ) then
        raise exception 'The role bank_app may do more than the bank should. An administrator runs once: alter role'
            ' bank_app nosuperuser nocreaterole nocreatedb noreplication nobypassrls;'
            using errcode = 'insufficient_privilege';
    end if;
    if not pg_has_role(current_user, 'bank_app', 'set') then
        begin
            execute format('grant bank_app to %I', current_user);
        exception
            when unique_violation then null;
            when insufficient_privilege then
                raise exception 'User % may not work as the role bank_app. An administrator runs once: grant bank_app'
                    ' to %;', current_user, quote_ident(current_user) using errcode = 'insufficient_privilege';
        end;
    end if;
end $$
"""

# What the running bank does with each table, and no more. Who may change the kind of an account could overdraw it, so
# of `accounts` it is by columns.
GRANTS = {
    "alembic_version": "select",
    "users": "select, insert, update",
    "sessions": "select, insert, update",
    "refresh_tokens": "select, insert, update",
    "accounts": """select, insert, update (balance_minor, version, held_minor, revision, spent_minor, spent_on, status,
        transfer_limit_minor, daily_limit_minor, updated_at)""",
    "holds": "select, insert, update",
    "transactions": "select, insert",
    "entries": "select, insert",
    "idempotency_keys": "select, insert, delete",
    "event_log_head": "select, update",
    "event_store": "select, insert",
    "subscriber_positions": "select, insert, update",
    "dead_letters": "select, insert, update",
    "audit_logs": "select, insert",
    "account_days": "select, insert, update, delete",
}


def upgrade() -> None:
    """Add what is missing."""
    op.execute(ROLE)
    for script in (ENTRIES_OF, GUARDS):
        for statement in script.split(";;"):
            op.execute(statement)
    op.execute(SETTINGS)
    for table, verbs in GRANTS.items():
        op.execute(f"grant {verbs} on {table} to bank_app")
    op.execute("grant usage on sequence account_number_sequence to bank_app")


def downgrade() -> None:
    """Refuse: a database without these guards would believe a bug."""
    raise NotImplementedError("The guards are not taken away. Restore a backup instead.")
