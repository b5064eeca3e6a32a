-- Each query verifies one part of the books. It returns a row for each broken invariant: the number of violations
-- (`broken`), and of the first one its `place`, the wrong property (`what`), and the expected and the found value.
-- Each query reads each table once, joins whole sets by hash, and returns nothing for correct rows.

-- name: entries_along_accounts()
with lined as (
    select e.*, lag(version) over line as version_before, lag(balance_after_minor) over line as balance_before,
        lag(created_at) over line as moment_before
    from entries e window line as (partition by account_id order by version)
), suspect as (
    select l.*, a.id is null as is_stray, a.currency as account_currency, a.kind
    from lined l left join accounts a on a.id = l.account_id
    where l.version <> coalesce(l.version_before, 0) + 1
    or l.balance_after_minor <> coalesce(l.balance_before, 0) + l.amount_minor
    or l.created_at < l.moment_before
    or a.id is null or l.currency <> a.currency or (a.kind = 'CUSTOMER' and l.balance_after_minor < 0)
), wrong as (
    select s.created_at as moment, w.invariant, w.what, w.expected, w.found,
        format('entry %s of account %s', s.version, s.account_id) as place
    from suspect s cross join lateral (values
        ('versions_gapless', s.version <> coalesce(s.version_before, 0) + 1,
            'the version after ' || coalesce(s.version_before, 0), (coalesce(s.version_before, 0) + 1)::text, s.version::text),
        ('running_balances', s.balance_after_minor <> coalesce(s.balance_before, 0) + s.amount_minor,
            'the balance after it', (coalesce(s.balance_before, 0) + s.amount_minor)::text, s.balance_after_minor::text),
        ('times_go_forward', s.created_at < s.moment_before,
            'its time', s.moment_before::text || ' or later', s.created_at::text),
        ('one_currency', s.is_stray, 'its account', 'a row of accounts', 'missing'),
        ('one_currency', s.currency <> s.account_currency, 'its currency', s.account_currency, s.currency),
        ('no_overdraft', s.kind = 'CUSTOMER' and s.balance_after_minor < 0,
            'the balance after it', 'zero or more', s.balance_after_minor::text)
    ) as w (invariant, is_wrong, what, expected, found)
    where w.is_wrong
)
select distinct on (invariant) invariant, count(*) over (partition by invariant) as broken, place, what, expected, found
from wrong order by invariant, moment, place;

-- name: accounts_and_entries()
with summed as (
    select account_id, sum(amount_minor) as total, count(*) as entries from entries group by account_id
), held as (
    select account_id, sum(amount_minor) as total from holds where status = 'AUTHORIZED' group by account_id
), wrong as (
    select a.id, w.invariant, w.what, w.expected, w.found, 'account ' || a.id as place
    from accounts a
    left join summed s on s.account_id = a.id
    left join held h on h.account_id = a.id
    left join entries e on e.account_id = a.id and e.version = a.version
    cross join lateral (values
        ('balances_are_entries', a.balance_minor <> coalesce(s.total, 0),
            'its balance', coalesce(s.total, 0) || ', the sum of its entries', a.balance_minor::text),
        ('balances_are_entries', a.balance_minor <> coalesce(e.balance_after_minor, 0),
            'its balance', coalesce(e.balance_after_minor, 0) || ', as after entry ' || a.version, a.balance_minor::text),
        ('versions_gapless', a.version <> coalesce(s.entries, 0),
            'its version', coalesce(s.entries, 0) || ', the number of its entries', a.version::text),
        ('revisions_not_behind', a.revision < a.version,
            'its revision', a.version || ' or more, as its version', a.revision::text),
        ('no_overdraft', a.kind = 'CUSTOMER' and a.balance_minor < a.held_minor,
            'its balance', a.held_minor || ' or more, which is held on it', a.balance_minor::text),
        ('holds_add_up', a.held_minor <> coalesce(h.total, 0),
            'the amount held on it', coalesce(h.total, 0) || ', the sum of its active holds', a.held_minor::text)
    ) as w (invariant, is_wrong, what, expected, found)
    where w.is_wrong
)
select distinct on (invariant) invariant, count(*) over (partition by invariant) as broken, place, what, expected, found
from wrong order by invariant, place;

-- name: transactions_and_entries()
-- All entries are grouped once. Only transactions that are not complete there are read again, one by one.
with grouped as (
    select t.id, e.transaction_id
    from transactions t full join entries e on e.transaction_id = t.id
    group by t.id, e.transaction_id
    having t.id is null or count(e.version) <> 2
    or count(*) filter (where e.account_id = t.debit_account_id and e.version = t.debit_version
        and e.amount_minor = -t.amount_minor and e.currency = t.currency) <> 1
    or count(*) filter (where e.account_id = t.credit_account_id and e.version = t.credit_version
        and e.amount_minor = t.amount_minor and e.currency = t.currency) <> 1
), suspect as (
    select coalesce(g.id, g.transaction_id) as id, t.created_at, case when t.id is null then 'a row of transactions' else
        format('%s %s at version %s of account %s and %s %s at version %s of account %s', -t.amount_minor, t.currency,
            t.debit_version, t.debit_account_id, t.amount_minor, t.currency, t.credit_version, t.credit_account_id)
        end as expected
    from grouped g left join transactions t on t.id = g.id
), theirs as (
    select s.id, string_agg(
        format('%s %s at version %s of account %s', e.amount_minor, e.currency, e.version, e.account_id), ' and '
        order by e.amount_minor) as found, min(e.created_at) as moment
    from suspect s join entries e on e.transaction_id = s.id group by s.id
), sums as (
    select s.id, e.currency, min(e.created_at) as moment, sum(e.amount_minor) as total
    from suspect s join entries e on e.transaction_id = s.id group by s.id, e.currency having sum(e.amount_minor) <> 0
), wrong as (
    select s.id, coalesce(s.created_at, f.moment) as moment, 'transactions_complete' as invariant, 'its entries' as what,
        s.expected, coalesce(f.found, 'none') as found
    from suspect s left join theirs f on f.id = s.id
    union all
    select s.id, s.moment, 'entries_sum_to_zero', 'the sum of its entries in ' || s.currency, '0', s.total::text from sums s
)
select distinct on (invariant) invariant, count(*) over (partition by invariant) as broken, 'transaction ' || id as place,
    what, expected, found
from wrong order by invariant, moment, id, what;

-- name: totals()
with totals as (
    select 'all accounts' as place, 'the sum of their balances in ' || currency as what, sum(balance_minor) as total
    from accounts group by currency
    union all
    select 'all entries', 'their sum in ' || currency, sum(amount_minor) from entries group by currency
)
select 'ledger_sums_to_zero' as invariant, count(*) over () as broken, place, what, '0' as expected, total::text as found
from totals where total <> 0 order by place, what limit 1;

-- name: keys()
select 'keys_name_transactions' as invariant, count(*) over () as broken,
    format('key %L of caller %s', k.key, k.caller_id) as place, 'its transaction' as what,
    'a row of transactions' as expected, k.transaction_id || ', which does not exist' as found
from idempotency_keys k left join transactions t on t.id = k.transaction_id
where k.transaction_id is not null and t.id is null order by k.created_at, k.key limit 1;

-- name: followers()
-- Verify reversals, fees and captures. There are few of them, and they are found by their own indexes.
with reversed as (
    select o.id, o.amount_minor, sum(r.amount_minor) as total
    from transactions r join transactions o on o.id = r.related_id
    where r.kind = 'REVERSAL' and r.related_id is not null group by o.id, o.amount_minor having sum(r.amount_minor) > o.amount_minor
), wrong as (
    select 'reversals_within_originals' as invariant, 'transaction ' || id as place, 'the sum of its reversals' as what,
        amount_minor || ' or less' as expected, total::text as found
    from reversed
    union all
    select 'reversals_within_originals', 'reversal ' || r.id, w.what, w.expected, w.found
    from transactions r left join transactions o on o.id = r.related_id
    cross join lateral (values
        (o.id is null, 'its original', 'a transaction', r.related_id || ', which does not exist'),
        (o.kind = 'REVERSAL', 'its original', 'no reversal itself', 'reversal ' || o.id),
        (r.currency <> o.currency, 'its currency', o.currency, r.currency),
        ((r.debit_account_id, r.credit_account_id) <> (o.credit_account_id, o.debit_account_id), 'its direction',
            format('from %s to %s', o.credit_account_id, o.debit_account_id),
            format('from %s to %s', r.debit_account_id, r.credit_account_id))
    ) as w (is_wrong, what, expected, found)
    where r.related_id is not null and r.kind = 'REVERSAL' and w.is_wrong
    union all
    select 'fees_name_transactions', 'fee ' || f.id, w.what, w.expected, w.found
    from transactions f left join transactions o on o.id = f.related_id left join accounts c on c.id = f.credit_account_id
    cross join lateral (values
        (o.id is null, 'its transaction', 'a transaction', f.related_id || ', which does not exist'),
        (o.kind in ('FEE', 'REVERSAL'), 'its transaction', 'no ' || lower(o.kind), 'transaction ' || o.id),
        (o.debit_account_id <> f.debit_account_id, 'its debit account', 'account ' || o.debit_account_id,
            'account ' || f.debit_account_id),
        (c.kind is distinct from 'FEES', 'its credit account', 'an account of kind FEES', 'account ' || f.credit_account_id)
    ) as w (is_wrong, what, expected, found)
    where f.related_id is not null and f.kind = 'FEE' and w.is_wrong
    union all
    select 'captures_end_holds', 'hold ' || h.id, w.what, w.expected, w.found
    from holds h left join transactions t on t.id = h.transaction_id
    cross join lateral (values
        (t.id is null, 'its transaction', 'a capture', coalesce(h.transaction_id || ', which does not exist', 'none')),
        (t.kind <> 'CAPTURE' or t.hold_id is distinct from h.id, 'its transaction', 'a capture of this hold',
            format('%s %s of hold %s', lower(t.kind), t.id, coalesce(t.hold_id::text, 'none'))),
        (t.amount_minor <> h.captured_minor or t.currency <> h.currency, 'its captured amount',
            format('%s %s', h.captured_minor, h.currency), format('%s %s', t.amount_minor, t.currency)),
        ((t.debit_account_id, t.credit_account_id) <> (h.account_id, h.to_account_id), 'its direction',
            format('from %s to %s', h.account_id, h.to_account_id),
            format('from %s to %s', t.debit_account_id, t.credit_account_id)),
        (h.captured_minor > h.amount_minor, 'its captured amount', h.amount_minor || ' or less', h.captured_minor::text)
    ) as w (is_wrong, what, expected, found)
    where h.status = 'CAPTURED' and w.is_wrong
    union all
    select 'captures_end_holds', 'capture ' || t.id, 'its hold', 'a hold that this capture has ended',
        case when h.id is null then t.hold_id || ', which does not exist' else lower(h.status) || ' hold ' || h.id end
    from transactions t left join holds h on h.id = t.hold_id
    where t.hold_id is not null and h.transaction_id is distinct from t.id
)
select distinct on (invariant) invariant, count(*) over (partition by invariant) as broken, place, what, expected, found
from wrong order by invariant, place;

-- name: positions()
-- Positions are unique, so that a gap has to be searched for only if their count is wrong.
with log as materialized (
    select count(*) as events, min(position) as lowest, max(position) as highest from event_store
), wrong as (
    select 1 as place_in_order, 'the log' as place, 'the position of its head' as what,
        coalesce(log.highest, 0) || ', of its last event' as expected, head.position::text as found
    from log, event_log_head head where head.position <> coalesce(log.highest, 0)
    union all
    select 0, 'the log', 'the event at position ' || gap.position, 'a row of event_store', 'missing'
    from log cross join lateral (
        -- The missing position is 1, or the one after the first event without a successor.
        select coalesce((select 1 where not exists (select from event_store where position = 1)), (
            select e.position + 1 from event_store e
            where e.position between 1 and log.highest - 1
            and not exists (select from event_store next where next.position = e.position + 1)
            order by e.position limit 1
        )) as position
    ) gap where log.events <> log.highest or log.lowest <> 1
    union all
    select 0, 'the log', 'the lowest position', '1', log.lowest::text from log where log.lowest < 1
    union all
    select 2, 'the log', 'its head', 'one row of event_log_head', 'none' where not exists (select from event_log_head)
)
select 'positions_dense' as invariant, count(*) over () as broken, place, what, expected, found
from wrong order by place_in_order limit 1;

-- name: subscribers()
select 'subscribers_within_log' as invariant, count(*) over () as broken, 'subscriber ' || s.subscriber as place,
    'its position' as what, format('0 to %s, the head of the log', h.position) as expected, s.position::text as found
from subscriber_positions s, event_log_head h where s.position not between 0 and h.position
order by s.subscriber limit 1;

-- name: transactions_and_events()
-- `offset 0` keeps the JSON documents out of the grouping: only the result of their comparison is grouped.
with expected as (
    select id, created_at, jsonb_build_object('transaction_id', id, 'kind', kind, 'amount_minor', amount_minor, 'currency',
        currency, 'debit_account_id', debit_account_id, 'credit_account_id', credit_account_id, 'initiated_by', initiated_by,
        'related_transaction_id', related_id, 'hold_id', hold_id, 'description_digest',
        case when description is not null or salt is not null then
            encode(sha256(coalesce(salt, '') || convert_to(coalesce(description, ''), 'UTF8')), 'hex') end) as content
    from transactions offset 0
), compared as (
    select s.id, e.aggregate_id, s.created_at, e.position, e.event_type = 'TransactionInitiatedEvent' as is_first,
        e.created_at = s.created_at and (e.event_data @> s.content or (
            -- Older versions of the event do not have these fields.
            not e.event_data ? 'description_digest'
            and case when e.event_version > 1 then e.event_data else
                e.event_data || '{"related_transaction_id": null, "hold_id": null}' end @> s.content - 'description_digest'
        )) as is_right
    from expected s full join (
        select aggregate_id, event_type, event_version, position, created_at, event_data from event_store
        where event_type in ('TransactionInitiatedEvent', 'TransactionCompletedEvent')
    ) e on e.aggregate_id = s.id offset 0
), grouped as (
    select id, aggregate_id, min(created_at) as moment, count(position) as events, min(position) as first,
        max(position) as last, count(*) filter (where is_first and is_right) as initiated,
        count(*) filter (where not is_first and is_right) as completed, min(position) filter (where is_first) as begun
    from compared group by id, aggregate_id
)
select 'transactions_have_events' as invariant, count(*) over () as broken,
    'transaction ' || coalesce(id, aggregate_id) as place, 'its events' as what,
    case when id is null then 'a row of transactions' else
        'one TransactionInitiatedEvent and then one TransactionCompletedEvent that agree with it' end as expected,
    case when events = 0 then 'none' else format('%s at positions %s to %s, of which %s and %s are right', events, first,
        last, initiated, completed) end as found
from grouped
where id is null or initiated <> 1 or completed <> 1 or events <> 2 or begun <> first
order by coalesce(first, 0), moment limit 1;

-- name: entries_and_events()
-- Entries and events are joined by account and version. Two events for one entry are searched for only if the counts
-- differ. Values are compared as text, because an event may contain any value.
with updates as not materialized (
    select aggregate_id, position, created_at, event_data ->> 'version' as version, event_data ->> 'transaction_id' as transaction_id,
        event_data ->> 'change_minor' as change, event_data ->> 'balance_minor' as balance,
        event_data ->> 'currency' as currency
    from event_store where event_type = 'BalanceUpdatedEvent' offset 0
), suspect as materialized (
    select e.account_id, e.version, e.created_at, e.transaction_id, e.amount_minor, e.balance_after_minor, e.currency,
        t.aggregate_id, t.position, t.version as event_version, t.transaction_id as event_transaction_id, t.change, t.balance,
        t.currency as event_currency, t.created_at as event_at
    from entries e full join updates t on t.aggregate_id = e.account_id and t.version = e.version::text
    where t.position is null or e.account_id is null
    or t.transaction_id is distinct from e.transaction_id::text or t.change is distinct from e.amount_minor::text
    or t.balance is distinct from e.balance_after_minor::text or t.currency is distinct from e.currency
    or t.created_at <> e.created_at
), wrong as (
    select position, created_at, format('entry %s of account %s', version, account_id) as place, 'its event' as what,
        format('%s to a balance of %s %s by transaction %s at %s', amount_minor, balance_after_minor, currency, transaction_id,
            created_at)
        as expected,
        case when position is null then 'missing' else format('%s to a balance of %s %s by transaction %s at %s, position %s',
            change, balance, event_currency, event_transaction_id, event_at, position) end as found
    from suspect where account_id is not null
    union all
    select position, null, 'the event at position ' || position, 'its entry',
        format('entry %s of account %s', event_version, aggregate_id), 'missing'
    from suspect where account_id is null
    union all
    select twice.position, null, 'the event at position ' || twice.position, 'its entry', 'in one event',
        format('in %s events', twice.times)
    from (
        select (select count(*) from event_store where event_type = 'BalanceUpdatedEvent')
            <> (select count(*) from entries) as differ
    ) numbers cross join lateral (
        select max(position) as position, count(*) as times from updates group by aggregate_id, version having count(*) > 1
    ) twice where numbers.differ
)
select 'balance_updates_are_entries' as invariant, count(*) over () as broken, place, what, expected, found
from wrong order by coalesce(position, 0), created_at limit 1;

-- name: events_and_audit()
-- Dead letters of the audit are known, and wait for an operator. While a worker serves the audit, a row follows its event
-- within milliseconds, and within two seconds after a crash or a takeover. So a row that does not exist after ten seconds
-- is missing. While no worker serves the audit, it is only behind, and continues when the bank is started.
with reach as materialized (
    select coalesce(max(position), 0) as position, coalesce(bool_or(leased_until > now()), false) as is_served
    from subscriber_positions where subscriber = 'audit'
), suspect as (
    select e.position, e.event_type, e.aggregate_type, e.aggregate_id, e.user_id, e.created_at, a.number,
        a.event_position, a.entity_type, a.entity_id, a.user_id as audited_user_id, a.created_at as audited_at
    from event_store e full join audit_logs a on a.event_position = e.position
    where e.position is null or a.event_position is null or a.entity_id <> e.aggregate_id
    or a.entity_type <> e.aggregate_type or a.created_at <> e.created_at or a.user_id is distinct from e.user_id
), wrong as (
    select s.position, format('the %s at position %s', event_type, s.position) as place, 'its audit row' as what,
        case when s.position <= reach.position then 'present, because the audit has passed it'
            else 'present ten seconds after the event' end as expected, 'missing' as found
    from suspect s join reach on s.position <= reach.position
        or reach.is_served and s.created_at < now() - interval '10 seconds'
    where event_position is null and not exists (
        select from dead_letters d
        where d.subscriber = 'audit' and d.event_position = s.position and d.redelivered_at is null
    )
    union all
    select event_position, 'audit row ' || number, 'its event', 'at position ' || event_position, 'missing'
    from suspect where position is null
    union all
    select position, format('the %s at position %s', event_type, position), 'its audit row',
        format('about %s %s by %s at %s', aggregate_type, aggregate_id, coalesce(user_id::text, 'nobody'), created_at),
        format('row %s, about %s %s by %s at %s', number, entity_type, entity_id,
            coalesce(audited_user_id::text, 'nobody'), audited_at)
    from suspect where position = event_position
)
select 'events_audited' as invariant, count(*) over () as broken, place, what, expected, found
from wrong order by position limit 1;

-- name: last_audit_number()$
select coalesce(max(number), 0) from audit_logs;

-- name: counts()^
select (select count(*) from accounts) as accounts, (select count(*) from entries) as entries,
    (select count(*) from transactions) as transactions, (select count(*) from holds) as holds,
    (select count(*) from event_store) as events, (select count(*) from audit_logs) as audit_rows,
    coalesce((select h.position - s.position from event_log_head h, subscriber_positions s where s.subscriber = 'audit'), 0)
    as audit_lag,
    (select count(*) from dead_letters where subscriber = 'audit' and redelivered_at is null) as audit_dead_letters;
