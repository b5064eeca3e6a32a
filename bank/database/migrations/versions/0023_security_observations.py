"""Events that the rules of suspicious activity need for a day, and one event for what a rule finds in a period."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table security_observations (
        -- The position of the event in the log.
        position bigint primary key,
        kind text not null check (kind in ('FAILED_LOGIN', 'REGISTRATION', 'NEW_DEVICE', 'CREDENTIAL_CHANGE')),
        observed_at timestamptz not null,
        -- A keyed digest of the network of the client.
        network_digest bytea,
        user_id uuid,
        -- A keyed digest of an address that is nobody's.
        address_digest text,
        check ((kind in ('FAILED_LOGIN', 'REGISTRATION')) = (network_digest is not null)),
        check ((user_id is null) = (address_digest is not null))
    )
    """,
    """
    create index security_observations_by_network on security_observations (network_digest, kind, position)
        where network_digest is not null
    """,
    "create index security_observations_by_user on security_observations (user_id, kind, position)",
    "grant select, insert, delete on security_observations to bank_app",
    # A rule finds the same subject once in a period, also if events are delivered again.
    """
    create unique index event_store_detections on event_store
        (aggregate_id, (event_data ->> 'rule'), (event_data ->> 'period_begins_at'))
        where event_type = 'SuspiciousActivityDetectedEvent'
    """,
    # An existing bank looks at what happens from now on, and raises no alarms about former years.
    """
    insert into subscriber_positions (subscriber, position)
    select 'suspicious_activity', position from event_log_head where position > 0
    """,
)


def upgrade() -> None:
    """Add the table and the index."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop both."""
    op.execute("delete from subscriber_positions where subscriber = 'suspicious_activity'")
    op.execute("drop index event_store_detections")
    op.execute("drop table security_observations")
