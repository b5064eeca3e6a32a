-- State is a fold of events: each query compares the rows of some tables with their events in the log. The audit chain and
-- its signed heads protect the events, so that rows which were changed, inserted or deleted by hand are found here. The
-- result has the same columns as in queries.sql. Values of events are compared as text, because they may contain anything.

-- name: accounts_and_events()
-- Compare owner, number, status, limits, the amount spent of the daily limit, and the number of changes (`revision`).
-- Transfers, withdrawals and authorised holds count against the daily limit of a day in the bank's time zone.
with recorded as materialized (
    select position, event_type, aggregate_id, created_at, event_data from event_store
    where event_type in ('AccountCreatedEvent', 'AccountFrozenEvent', 'AccountUnfrozenEvent', 'AccountClosedEvent',
        'AccountLimitsChangedEvent', 'HoldAuthorizedEvent', 'HoldCapturedEvent', 'HoldReleasedEvent', 'HoldExpiredEvent')
), opened as (
    select aggregate_id as id, min(position) as position, count(*) as times, min(created_at) as created_at,
        (array_agg(event_data order by position))[1] as data, 'CUSTOMER' as kind
    from recorded where event_type = 'AccountCreatedEvent' group by aggregate_id
    union all
    -- The bank's own accounts are made by migrations, which emit no events.
    select id, 0, 1, null, jsonb_build_object('number', number, 'currency', 'BRL'), kind from (values
        ('00000000-0000-7000-8000-000000000986'::uuid, 'CASH', 'CASH-BRL'),
        ('00000000-0000-7000-8000-00000000f986'::uuid, 'FEES', 'FEES-BRL')
    ) as own (id, kind, number)
), changed as (
    select aggregate_id as id, count(*) as changes, max(created_at) as moment,
        (array_agg(event_type order by position desc) filter (where event_type <> 'AccountLimitsChangedEvent'))[1] as last,
        (array_agg(event_data ->> 'by_role' order by position desc)
            filter (where event_type <> 'AccountLimitsChangedEvent'))[1] as by_role,
        (array_agg(event_data order by position desc) filter (where event_type = 'AccountLimitsChangedEvent'))[1] as limits
    from recorded where event_type <> 'AccountCreatedEvent' and event_type not like 'Hold%' group by aggregate_id
), held as (
    select event_data ->> 'account_id' as id, count(*) as changes, max(created_at) as moment
    from recorded where event_type like 'Hold%' group by event_data ->> 'account_id'
), days as (
    select id, spent_on::timestamp at time zone 'America/Sao_Paulo' as begins,
        (spent_on + 1)::timestamp at time zone 'America/Sao_Paulo' as ends
    from accounts
), spent as (
    select d.id, max(c.created_at) as latest,
        sum(c.amount_minor) filter (where c.created_at >= d.begins and c.created_at < d.ends) as total
    from days d join (
        select debit_account_id as account_id, amount_minor, created_at from transactions
        where kind in ('TRANSFER', 'WITHDRAWAL')
        union all
        select account_id, amount_minor, created_at from holds
    ) c on c.account_id = d.id group by d.id
), compared as (
    select coalesce(a.id, o.id) as id, o.position, w.what, w.expected, w.found
    from accounts a
    full join opened o on o.id = a.id
    left join changed c on c.id = a.id
    left join held h on h.id = a.id::text
    left join spent s on s.id = a.id
    left join entries e on e.account_id = a.id and e.version = a.version
    cross join lateral (values
        (true, case when o.id is null then 'its event' else 'it' end,
            case when o.id is null then 'an AccountCreatedEvent' else 'a row of accounts' end,
            case when o.id is null or a.id is null then 'missing' else 'a row of accounts' end),
        (o.times > 1, 'it', 'opened once', format('opened %s times', o.times)),
        (a.id = o.id, 'its kind', o.kind, a.kind),
        (a.id = o.id, 'its owner', coalesce(o.data ->> 'owner_id', 'nobody'), coalesce(a.user_id::text, 'nobody')),
        (a.id = o.id, 'its number', o.data ->> 'number', a.number),
        (a.id = o.id, 'its currency', o.data ->> 'currency', a.currency),
        (o.created_at is not null, 'its opening', o.created_at::text, a.created_at::text),
        (a.id = o.id, 'its state', case c.last when 'AccountFrozenEvent' then 'FROZEN' when 'AccountClosedEvent' then 'CLOSED'
            else 'ACTIVE' end, a.status),
        (a.id = o.id, 'the role that froze it',
            coalesce(case c.last when 'AccountFrozenEvent' then c.by_role end, 'none'), coalesce(a.frozen_by_role, 'none')),
        (a.id = o.id, 'its limit for a transfer', coalesce(c.limits ->> 'transfer_limit_minor', 'none'),
            coalesce(a.transfer_limit_minor::text, 'none')),
        (a.id = o.id, 'its limit for a day', coalesce(c.limits ->> 'daily_limit_minor', 'none'),
            coalesce(a.daily_limit_minor::text, 'none')),
        (a.id = o.id, 'its revision', (a.version + coalesce(c.changes, 0) + coalesce(h.changes, 0))::text, a.revision::text),
        (a.id = o.id, 'its last change', greatest(coalesce(o.created_at, 'epoch'), c.moment, h.moment, e.created_at)::text,
            a.updated_at::text),
        (a.id = o.id, 'the day of its last spending',
            coalesce((s.latest at time zone 'America/Sao_Paulo')::date, '-infinity')::text, a.spent_on::text),
        (a.id = o.id, 'the amount spent on that day', coalesce(s.total, 0)::text, a.spent_minor::text)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'accounts_match_events' as invariant, count(*) over () as broken, 'account ' || id as place, what, expected, found
from compared order by position, id, what limit 1;

-- name: holds_and_events()
with recorded as materialized (
    select position, event_type, aggregate_id, created_at, event_data from event_store
    where event_type in ('HoldAuthorizedEvent', 'HoldCapturedEvent', 'HoldReleasedEvent', 'HoldExpiredEvent')
), made as (
    select aggregate_id as id, min(position) as position, count(*) as times, min(created_at) as created_at,
        (array_agg(event_data order by position))[1] as data
    from recorded where event_type = 'HoldAuthorizedEvent' group by aggregate_id
), ended as (
    select aggregate_id as id, count(*) as times, min(created_at) as moment,
        (array_agg(event_type order by position))[1] as event_type, (array_agg(event_data order by position))[1] as data
    from recorded where event_type <> 'HoldAuthorizedEvent' group by aggregate_id
), compared as (
    select coalesce(h.id, m.id) as id, m.position, w.what, w.expected, w.found
    from holds h full join made m on m.id = h.id left join ended e on e.id = h.id
    cross join lateral (values
        (true, case when m.id is null then 'its event' else 'it' end,
            case when m.id is null then 'a HoldAuthorizedEvent' else 'a row of holds' end,
            case when m.id is null or h.id is null then 'missing' else 'a row of holds' end),
        (m.times > 1 or e.times > 1, 'it', 'authorised once and ended at most once',
            format('authorised %s times and ended %s times', m.times, coalesce(e.times, 0))),
        (h.id = m.id, 'its account', m.data ->> 'account_id', h.account_id::text),
        (h.id = m.id, 'its recipient', m.data ->> 'to_account_id', h.to_account_id::text),
        (h.id = m.id, 'its amount', m.data ->> 'amount_minor', h.amount_minor::text),
        (h.id = m.id, 'its currency', m.data ->> 'currency', h.currency),
        (h.id = m.id, 'its initiator', m.data ->> 'initiated_by', h.initiated_by::text),
        (h.id = m.id, 'its expiry', case when pg_input_is_valid(m.data ->> 'expires_at', 'timestamptz')
            then (m.data ->> 'expires_at')::timestamptz::text else m.data ->> 'expires_at' end, h.expires_at::text),
        (h.id = m.id and m.data ? 'description_digest', 'the digest of its description',
            coalesce(m.data ->> 'description_digest', 'none'),
            case when h.description is null and h.salt is null then 'none' else
                encode(sha256(coalesce(h.salt, '') || convert_to(coalesce(h.description, ''), 'UTF8')), 'hex') end),
        (h.id = m.id, 'its authorization', m.created_at::text, h.created_at::text),
        (h.id = m.id, 'its state', case e.event_type when 'HoldCapturedEvent' then 'CAPTURED'
            when 'HoldReleasedEvent' then 'RELEASED' when 'HoldExpiredEvent' then 'EXPIRED' else 'AUTHORIZED' end, h.status),
        (h.id = m.id, 'its end', coalesce(e.moment::text, 'never'), coalesce(h.ended_at::text, 'never')),
        (h.id = m.id, 'its captured amount', coalesce(e.data ->> 'captured_minor', '0'), h.captured_minor::text),
        (h.id = m.id, 'its transaction', coalesce(e.data ->> 'transaction_id', 'none'), coalesce(h.transaction_id::text, 'none'))
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'holds_match_events' as invariant, count(*) over () as broken, 'hold ' || id as place, what, expected, found
from compared order by position, id, what limit 1;

-- name: days_and_entries()
-- Compare the projection `account_days` with the entries up to its subscriber's position. Other queries compare entries
-- with their events.
with reach as materialized (
    select coalesce(max(position), 0) as position from subscriber_positions where subscriber = 'account_days'
), ahead as materialized (
    select e.aggregate_id as account_id, e.event_data ->> 'version' as version
    from event_store e, reach r where e.position > r.position and e.event_type = 'BalanceUpdatedEvent'
    union all
    select e.aggregate_id, e.event_data ->> 'version' from dead_letters d join event_store e on e.position = d.event_position
    where d.subscriber = 'account_days' and d.redelivered_at is null
), counted as (
    select e.account_id, (e.created_at at time zone 'America/Sao_Paulo')::date as day, min(e.currency) as currency,
        count(*) filter (where e.amount_minor < 0) as debits, count(*) filter (where e.amount_minor > 0) as credits,
        coalesce(-sum(e.amount_minor) filter (where e.amount_minor < 0), 0) as debited_minor,
        coalesce(sum(e.amount_minor) filter (where e.amount_minor > 0), 0) as credited_minor,
        min(e.version) as first, max(e.version) as last, count(*) as entries
    from entries e left join ahead a on a.account_id = e.account_id and a.version = e.version::text
    where a.account_id is null group by 1, 2
), compared as (
    select coalesce(d.account_id, c.account_id) as account_id, coalesce(d.day, c.day) as day, w.what, w.expected, w.found
    from account_days d full join counted c on c.account_id = d.account_id and c.day = d.day
    left join entries e on e.account_id = c.account_id and e.version = c.last
    cross join lateral (values
        (true, 'it', case when c.day is null then 'a day with entries' else 'a row of account_days' end,
            case when c.day is null then 'one without' when d.day is null then 'missing' else 'a row of account_days' end),
        (c.day = d.day, 'its currency', c.currency, d.currency),
        (c.day = d.day, 'its debits', format('%s of %s', c.debits, c.debited_minor),
            format('%s of %s', d.debits, d.debited_minor)),
        (c.day = d.day, 'its credits', format('%s of %s', c.credits, c.credited_minor),
            format('%s of %s', d.credits, d.credited_minor)),
        (c.day = d.day, 'its closing balance', e.balance_after_minor::text, d.closing_balance_minor::text),
        (c.day = d.day, 'the versions it contains', format('%s of %s to %s', c.entries, c.first, c.last),
            format('%s of %s to %s', (select coalesce(sum(upper(r) - lower(r)), 0) from unnest(d.applied) as r),
                lower(d.applied), upper(d.applied) - 1))
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'days_match_entries' as invariant, count(*) over () as broken, format('day %s of account %s', day, account_id) as place,
    what, expected, found
from compared order by day, account_id, what limit 1;

-- name: deliveries()
-- Compare the position of the subscriber `audit` with its audit rows, and dead letters with their events. The query above
-- compares `account_days`, and another one the observations; the cache has no rows.
with audited as materialized (select max(event_position) as position from audit_logs), wrong as (
    select 1 as place_in_order, 'subscriber audit' as place, 'its position' as what,
        format('%s or more, because that event has an audit row', a.position) as expected,
        coalesce(s.position::text, 'missing') as found
    from audited a left join subscriber_positions s on s.subscriber = 'audit'
    where a.position > coalesce(s.position, 0)
    union all
    select 2, format('dead letter %s of %s', d.event_position, d.subscriber), 'its event', 'a row of event_store', 'missing'
    from dead_letters d left join event_store e on e.position = d.event_position where e.position is null
)
select 'positions_match_effects' as invariant, count(*) over () as broken, place, what, expected, found
from wrong order by place_in_order, place limit 1;

-- name: keys_and_events()
-- The event of an idempotency key has a digest of the whole row. A row without an event is allowed only if it is older than
-- the first such event. An event without a row is allowed only if a KeysForgottenEvent covers keys of its age.
with scanned as materialized (
    select position, created_at, metadata ->> 'key_digest' as digest,
        case when event_type = 'KeysForgottenEvent' then event_data ->> 'used_before' end as used_before
    from event_store where event_type not in ('BalanceUpdatedEvent', 'TransactionCompletedEvent')
    and (metadata ? 'key_digest' or event_type = 'KeysForgottenEvent')
), recorded as (
    select position, created_at, digest from scanned where digest is not null
), digests as (
    select min(created_at) as since, exists (
        select from event_store e where e.event_type in ('AccountCreatedEvent', 'TransactionInitiatedEvent')
        and e.position < (select min(position) from recorded)
    ) as is_old_log from recorded
), forgotten as (
    select max(case when pg_input_is_valid(used_before, 'timestamptz') then used_before::timestamptz end) as before
    from scanned
), stored as (
    select caller_id, key, created_at, encode(sha256(salt || uuid_send(caller_id)
        || uuid_send(coalesce(transaction_id, '00000000-0000-0000-0000-000000000000'))
        || convert_to(operation, 'UTF8') || '\x00' || convert_to(key, 'UTF8') || '\x00'
        || convert_to(outcome::text, 'UTF8') || '\x00' || request_digest), 'hex') as digest
    from idempotency_keys
), compared as (
    select coalesce(t.created_at, k.created_at) as moment,
        case when k.key is null then 'the event at position ' || t.position else
            format('key %L of caller %s', k.key, k.caller_id) end as place,
        case when k.key is null then 'the key of its digest' when t.position is null then 'its row'
            else 'its time' end as what,
        case when k.key is null then 'a row of idempotency_keys' when t.position is null then 'one with an event'
            else t.created_at::text end as expected,
        case when k.key is null then 'missing or different' when t.position is null then 'one without'
            else k.created_at::text end as found
    from stored k full join recorded t on t.digest = k.digest cross join digests v cross join forgotten f
    where t.created_at is distinct from k.created_at and case
        when k.key is null then t.created_at >= coalesce(f.before, '-infinity')
        when t.position is null then not (v.is_old_log and k.created_at < v.since)
        else true end
)
select 'keys_match_events' as invariant, count(*) over () as broken, place, what, expected, found
from compared order by place like 'key %' desc, moment, place limit 1;
