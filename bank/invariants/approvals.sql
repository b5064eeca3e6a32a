-- The form is that of state.sql: each row of `approvals` is compared with its events in the log.

-- name: approvals_and_events()
-- A request is made once and ends at most once, by another person than its requester. Approved money has one transaction: that
-- of its request, by its requester and at the time of the approval; without one, the refusal is recorded.
with recorded as materialized (
    select position, event_type, aggregate_id, created_at, event_data from event_store
    where event_type in
        ('ApprovalRequestedEvent', 'ApprovalApprovedEvent', 'ApprovalRejectedEvent', 'ApprovalExpiredEvent')
), made as (
    select aggregate_id as id, min(position) as position, count(*) as times, min(created_at) as created_at,
        (array_agg(event_data order by position))[1] as data
    from recorded where event_type = 'ApprovalRequestedEvent' group by aggregate_id
), ended as (
    select aggregate_id as id, count(*) as times, min(created_at) as moment,
        (array_agg(event_type order by position))[1] as event_type, (array_agg(event_data order by position))[1] as data
    from recorded where event_type <> 'ApprovalRequestedEvent' group by aggregate_id
), compared as (
    select coalesce(a.id, m.id) as id, m.position, w.what, w.expected, w.found
    from approvals a
    full join made m on m.id = a.id
    left join ended e on e.id = a.id
    left join transactions t on t.id = a.transaction_id
    cross join lateral (values
        (true, case when m.id is null then 'its event' else 'it' end,
            case when m.id is null then 'an ApprovalRequestedEvent' else 'a row of approvals' end,
            case when m.id is null or a.id is null then 'missing' else 'a row of approvals' end),
        (m.times > 1 or e.times > 1, 'it', 'requested once and decided at most once',
            format('requested %s times and decided %s times', m.times, coalesce(e.times, 0))),
        (a.id = m.id, 'its kind', m.data ->> 'kind', a.kind),
        (a.id = m.id, 'its account', coalesce(m.data ->> 'account_id', 'none'), coalesce(a.account_id::text, 'none')),
        (a.id = m.id, 'its user', coalesce(m.data ->> 'subject_id', 'none'), coalesce(a.subject_id::text, 'none')),
        (a.id = m.id, 'its original', coalesce(m.data ->> 'original_id', 'none'), coalesce(a.original_id::text, 'none')),
        (a.id = m.id, 'its amount', coalesce(m.data ->> 'amount_minor', 'none'), coalesce(a.amount_minor::text, 'none')),
        (a.id = m.id, 'its currency', coalesce(m.data ->> 'currency', 'none'), coalesce(a.currency, 'none')),
        (a.id = m.id, 'its description', coalesce(m.data ->> 'description', 'none'), coalesce(a.description, 'none')),
        (a.id = m.id, 'its limit for a transfer', coalesce(m.data ->> 'transfer_limit_minor', 'none'),
            coalesce(a.transfer_limit_minor::text, 'none')),
        (a.id = m.id, 'its limit for a day', coalesce(m.data ->> 'daily_limit_minor', 'none'),
            coalesce(a.daily_limit_minor::text, 'none')),
        (a.id = m.id, 'its old limit for a transfer', coalesce(m.data ->> 'old_transfer_limit_minor', 'none'),
            coalesce(a.old_transfer_limit_minor::text, 'none')),
        (a.id = m.id, 'its old limit for a day', coalesce(m.data ->> 'old_daily_limit_minor', 'none'),
            coalesce(a.old_daily_limit_minor::text, 'none')),
        (a.id = m.id, 'its role', coalesce(m.data ->> 'role', 'none'), coalesce(a.role, 'none')),
        (a.id = m.id, 'its old role', coalesce(m.data ->> 'old_role', 'none'), coalesce(a.old_role, 'none')),
        (a.id = m.id, 'its requester', m.data ->> 'initiated_by', a.requested_by::text),
        (a.id = m.id, 'its time', m.created_at::text, a.requested_at::text),
        (a.id = m.id, 'its expiry', case when pg_input_is_valid(m.data ->> 'expires_at', 'timestamptz')
            then (m.data ->> 'expires_at')::timestamptz::text else m.data ->> 'expires_at' end, a.expires_at::text),
        (a.id = m.id, 'its state', case e.event_type when 'ApprovalApprovedEvent' then 'APPROVED'
            when 'ApprovalRejectedEvent' then 'REJECTED' when 'ApprovalExpiredEvent' then 'EXPIRED' else 'PENDING' end,
            a.status),
        (a.id = m.id, 'its decider', coalesce(e.data ->> 'initiated_by', 'nobody'), coalesce(a.decided_by::text, 'nobody')),
        (a.id = m.id and e.id is not null, 'its requester in the event of its end', a.requested_by::text,
            e.data ->> 'requested_by'),
        (a.decided_by = a.requested_by or a.decided_by = a.subject_id, 'its decider', 'another person',
            'the person who asked or whom it is about'),
        (a.id = m.id, 'its end', coalesce(e.moment::text, 'never'), coalesce(a.decided_at::text, 'never')),
        (a.id = m.id, 'its reason', coalesce(e.data ->> 'reason', 'none'), coalesce(a.reason, 'none')),
        (a.id = m.id, 'its transaction', coalesce(e.data ->> 'transaction_id', 'none'),
            coalesce(a.transaction_id::text, 'none')),
        (a.id = m.id, 'its refusal', coalesce(e.data ->> 'refusal_code', 'none'), coalesce(a.refusal_code, 'none')),
        (a.id = m.id, 'the message of its refusal', coalesce(e.data ->> 'refusal_message', 'none'),
            coalesce(a.refusal_message, 'none')),
        (a.status = 'APPROVED' and a.kind in ('DEPOSIT', 'WITHDRAWAL', 'REVERSAL') and a.refusal_code is null,
            'its transaction', format('a %s of %s %s by %s at %s', lower(a.kind), a.amount_minor, a.currency, a.requested_by,
            a.decided_at), case when t.id is null then 'missing' else format('a %s of %s %s by %s at %s', lower(t.kind), t.amount_minor, t.currency,
            t.initiated_by, t.created_at) end),
        (t.id is not null, 'the account of its transaction', a.account_id::text,
            case t.kind when 'DEPOSIT' then t.credit_account_id else t.debit_account_id end::text),
        (t.id is not null, 'the original of its transaction', coalesce(a.original_id::text, 'none'),
            coalesce(t.related_id::text, 'none'))
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'approvals_match_events' as invariant, count(*) over () as broken, 'approval ' || id as place, what, expected, found
from compared order by position, id, what limit 1;
