"""Changes of the event log and the audit trail by a superuser."""

from tests.integration.tampering import A_TRANSFER, ANA, NOBODY, Tampering

LOG_TAMPERINGS = [
    Tampering(
        "an event that is missing",
        [
            "delete from event_store where position = 3",
        ],
        {"events_audited", "positions_dense", "audit_chain"},
        "positions_dense",
        "the log: the event at position 3 should be a row of event_store, and is missing.",
    ),
    Tampering(
        "an event put far beyond the others",
        [
            "update event_store set position = 4000000000000000000 where position = 3",
        ],
        {"positions_dense", "events_audited", "audit_chain"},
        "positions_dense",
        "the log: the event at position 3 should be a row of event_store, and is missing (and 1 more).",
    ),
    Tampering(
        "the first event",
        [
            "delete from event_store where position = 1",
        ],
        {"positions_dense", "events_audited", "audit_chain"},
        "positions_dense",
        "the log: the event at position 1 should be a row of event_store, and is missing.",
    ),
    Tampering(
        "the last event",
        [
            "delete from event_store where position = (select max(position) from event_store)",
        ],
        {"events_audited", "positions_dense", "audit_chain"},
        "positions_dense",
        "the log: the position of its head should be …, of its last event, and is ….",
    ),
    Tampering(
        "the head of the log",
        [
            "update event_log_head set position = position - 1",
        ],
        {"positions_dense", "subscribers_within_log"},
        "subscribers_within_log",
        "subscriber account_days: its position should be 0 to …, the head of the log, and is … (and … more).",
    ),
    Tampering(
        "what an event says of a transaction",
        [
            "update event_store set event_data = event_data || '{\"amount_minor\": 1}' where event_type = "
            f"'TransactionCompletedEvent' and aggregate_id = {A_TRANSFER}",
        ],
        {"transactions_have_events", "audit_chain"},
        "transactions_have_events",
        "…, of which 1 and 0 are right.",
    ),
    Tampering(
        "an event of no transaction",
        [
            f"update event_store set aggregate_id = '{NOBODY}' where event_type = 'TransactionInitiatedEvent' and "
            f"aggregate_id = {A_TRANSFER}",
        ],
        {"events_audited", "transactions_have_events"},
        "transactions_have_events",
        "transaction 00000000-…: its events should be a row of transactions, and is 1 at positions "
        "… to …, of which 0 and 0 are right (and 1 more).",
    ),
    Tampering(
        "what an event says of a balance",
        [
            'update event_store set event_data = event_data || \'{"balance_minor": "nonsense"}\' where event_type '
            f"= 'BalanceUpdatedEvent' and aggregate_id = {ANA} and event_data ->> 'version' = '2'",
        ],
        {"balance_updates_are_entries", "audit_chain"},
        "balance_updates_are_entries",
        "entry 2 of account …: its event should be -1000 to a balance of 9000 BRL by …, and is -1000 to a balance of "
        "nonsense BRL by ….",
    ),
    Tampering(
        "an event that tells of an entry again",
        [
            "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, user_id, "
            "metadata, created_at) select uuidv7(), h.position + 1, event_type, aggregate_id, aggregate_type, "
            "event_data, user_id, metadata, created_at from event_store e, event_log_head h "
            "where event_type = 'BalanceUpdatedEvent' order by e.position limit 1",
            "update event_log_head set position = position + 1",
        ],
        {"balance_updates_are_entries"},
        "balance_updates_are_entries",
        "the event at position …: its entry should be in one event, and is in 2 events.",
    ),
    Tampering(
        "who an event says has asked for it",
        [
            "update event_store set metadata = '{}' where position = 4",
        ],
        {"audit_chain"},
        "audit_chain",
        "audit row 4 (event 4) is not as it was written: it or its event has been changed, …",
    ),
    Tampering(
        "an audit row",
        [
            "update audit_logs set action = 'NOTHING' where number = 5",
        ],
        {"audit_chain"},
        "audit_chain",
        "audit row 5 (event 5) is not as it was written: …",
    ),
    Tampering(
        "an audit row that is missing",
        [
            "delete from audit_logs where number = 6",
        ],
        {"audit_chain", "events_audited"},
        "events_audited",
        "the …Event at position 6: its audit row should be present, because the audit has passed it, and is missing.",
    ),
    Tampering(
        "an audit row that is about something else",
        [
            f"update audit_logs set entity_id = '{NOBODY}' where number = 6",
        ],
        {"audit_chain", "events_audited"},
        "events_audited",
        "the …Event at position 6: its audit row should be about …, and is row 6, about ….",
    ),
    Tampering(
        "an audit row of no event",
        [
            "update audit_logs set event_position = 10000 where number = (select max(number) from audit_logs)",
        ],
        {"audit_chain", "events_audited"},
        "events_audited",
        "… (and 1 more).",
    ),
]
