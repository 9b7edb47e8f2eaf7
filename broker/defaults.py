"""Every limit and default in one place; docs/configuration.md holds the same table.

Seconds are floats or ints and say so in their name; sizes are bytes.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
DAY_SECONDS: Final = 86_400

# What a namespace is.
SCHEMA: Final = 1
NAMESPACE: Final = "default"
SHARDS: Final = 1

# Events.
MAX_EVENT_BYTES: Final = 512 * KIB
MAX_NAME_LENGTH: Final = 128
MAX_ID_LENGTH: Final = 200
MAX_KEY_LENGTH: Final = 200
MAX_DEPTH: Final = 256
MAX_AHEAD_SECONDS: Final = 365 * DAY_SECONDS
MAX_BULK_EVENTS: Final = 5_000
RESEND_WINDOW_SECONDS: Final = 120
SUPPLIED_ID_DEDUPE_SECONDS: Final = DAY_SECONDS

# Producers. A chunk is what is written between two looks at the replies: big enough that the round trip
# disappears, small enough that neither side's socket buffer fills (500 x 200 B = 100 kB).
BULK_CHUNK_EVENTS: Final = 500
BULK_CHUNK_BYTES: Final = MIB
SEND_SOON_BUFFER: Final = 10_000
SEND_SOON_EXIT_SECONDS: Final = 5.0

# Connections.
CONNECT_TIMEOUT_SECONDS: Final = 3.0
SOCKET_TIMEOUT_SECONDS: Final = 5.0
WAIT_FOR_REDIS_SECONDS: Final = 5.0
BLOCK_SECONDS: Final = 5.0
BLOCK_MARGIN_SECONDS: Final = 10.0
BACKOFF_FIRST_SECONDS: Final = 0.02
BACKOFF_LIMIT_SECONDS: Final = 1.0
RESULT_POLL_FIRST_SECONDS: Final = 0.005
RESULT_POLL_LIMIT_SECONDS: Final = 0.25

# Runs and steps.
MAX_STEP_RESULT_BYTES: Final = 4 * MIB
MAX_RUN_BYTES: Final = 32 * MIB
MAX_STEPS: Final = 1_000
MAX_STEP_ID_LENGTH: Final = 200
MAX_LIMITERS: Final = 6
RETRIES: Final = 4
BACKOFF_BASE_SECONDS: Final = 5.0
BACKOFF_FACTOR: Final = 2.0
BACKOFF_MAX_SECONDS: Final = 3_600.0
BACKOFF_JITTER: Final = 0.2
WAIT_TIMEOUT_SECONDS: Final = 30 * DAY_SECONDS
MAX_CRASHES: Final = 3
MAX_INVOKE_DEPTH: Final = 100
MAX_PRIORITY_SECONDS: Final = 600
CANCEL_GRACE_SECONDS: Final = 10

# Leases and workers.
LEASE_TTL_SECONDS: Final = 15.0
STALL_WARNING_SECONDS: Final = 1.0
MAX_STALL_SECONDS: Final = 60.0
SHUTDOWN_TIMEOUT_SECONDS: Final = 30.0
RECONCILE_SECONDS: Final = 30.0
WORKER_CONCURRENCY: Final = 50

# Ingest and calls.
INGEST_BATCH_EVENTS: Final = 200
INGEST_BATCH_BYTES: Final = 4 * MIB
INGEST_TAKEOVER_SECONDS: Final = 15
INGEST_ALONE_AFTER_DELIVERIES: Final = 3
INGEST_GIVE_UP_DELIVERIES: Final = 6
INGEST_PAUSE_READY_RUNS: Final = 100_000
INGEST_PAUSE_MEMORY_SHARE: Final = 0.75
MAX_OPERATIONS_PER_CALL: Final = 200
MAX_REPLY_BYTES: Final = MIB
MAX_FLUSH_BYTES: Final = MIB

# Retention (R47).
KEEP_COMPLETED_SECONDS: Final = DAY_SECONDS
KEEP_COMPLETED_RUNS: Final = 100_000
KEEP_FAILED_SECONDS: Final = 7 * DAY_SECONDS
KEEP_CANCELLED_SECONDS: Final = DAY_SECONDS
KEEP_DEAD_LETTERS_SECONDS: Final = 7 * DAY_SECONDS
KEEP_EVENTS_SECONDS: Final = DAY_SECONDS
KEEP_EVENTS: Final = 100_000
