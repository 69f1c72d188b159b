-- The queries by which the target API of 0.1.0 read, as its generated code had them.

-- name: ListSignals
SELECT id, name
FROM signal
ORDER BY id;

-- name: NextWindowTurbine
SELECT turbine_id
FROM data
WHERE turbine_id > $1::integer
ORDER BY turbine_id
LIMIT 1;

-- name: FirstWindow
SELECT first.timestamp
FROM unnest($1::integer[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT d.timestamp
    FROM data AS d
    WHERE d.turbine_id = $2::integer
      AND d.signal_id = s.id
      AND d.timestamp >= $3::timestamptz
      AND d.timestamp < $4::timestamptz
    ORDER BY d.turbine_id, d.signal_id, d.timestamp
    LIMIT 1
) AS first
ORDER BY first.timestamp
LIMIT 1;

-- name: ReadWindows
SELECT turbine_id, signal_id, timestamp, value
FROM data
WHERE turbine_id = ANY ($1::integer[])
  AND signal_id = ANY ($2::integer[])
  AND timestamp >= $3::timestamptz
  AND timestamp < $4::timestamptz;

-- name: ReadFlags
SELECT turbine_id, variable, timestamp, check_name, version, detail
FROM flag
WHERE timestamp >= $1::timestamptz
  AND timestamp < $2::timestamptz
ORDER BY turbine_id, variable, timestamp, check_name;

-- name: ReadCheckResults
SELECT day, check_name, variable, version, status, faults, detail, token, checked_at
FROM check_result
WHERE day BETWEEN $1::date AND $2::date
  AND ($3::text = '' OR status = $3::text)
ORDER BY day, check_name, variable;

-- name: ReadCheckRules
SELECT check_name, variable, severity, low, high
FROM check_rule
ORDER BY check_name, variable;

-- name: EventRange
SELECT coalesce(min(id), 0)::bigint AS oldest, coalesce(max(id), 0)::bigint AS newest
FROM event;

-- name: ReadEvents
SELECT coalesce(id, 0)::bigint AS id, at, kind, day, run_id, state
FROM event
WHERE id > $1::bigint
ORDER BY id
LIMIT $2::integer;

-- name: ReadRunLog
SELECT id, day, at, level, message, attributes
FROM run_log
WHERE run_id = $1
  AND id > $2::bigint
ORDER BY id
LIMIT $3::integer;

-- name: LedgerRange
SELECT min(day)::date AS first_day, max(day)::date AS last_day
FROM partition
HAVING count(*) > 0;

-- name: ReadGrid
WITH session AS MATERIALIZED (
    SELECT a.pid, a.backend_start
    FROM pg_catalog.pg_stat_activity AS a
)
SELECT
    ($1::date + n)::date AS day,
    (CASE
        WHEN p.lease_until >= clock_timestamp() AND s.pid IS NOT NULL THEN 'running'
        WHEN p.outcome = 'failed' AND p.next_attempt_at IS NOT NULL THEN 'failed'
        WHEN asked.open > 0 THEN 'queued'
        WHEN p.outcome IN ('done', 'empty') AND p.source_digest_seen IS DISTINCT FROM p.source_digest THEN 'stale'
        WHEN p.outcome IS NOT NULL THEN p.outcome
        WHEN asked.latest = 'cancelled' THEN 'cancelled'
        ELSE 'missing'
    END)::text AS state,
    coalesce(p.token, 0)::bigint AS token,
    coalesce(p.attempt, 0)::integer AS attempt,
    p.next_attempt_at,
    p.samples,
    p.expected,
    p.windows,
    coalesce(p.rows, 0)::bigint AS rows,
    p.run_id,
    p.claim_run_id,
    p.error,
    p.started_at,
    p.finished_at,
    p.loaded_at,
    coalesce(doubted.warnings, 0)::bigint AS warnings
FROM generate_series(0, $2::date - $1::date) AS n
LEFT JOIN partition AS p ON p.day = $1::date + n
LEFT JOIN session AS s ON s.pid = p.claim_pid AND s.backend_start = p.claim_backend_start
LEFT JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE rp.outcome IS NULL AND r.trigger <> 'command') AS open,
        (array_agg(rp.outcome ORDER BY rp.requested_at DESC, rp.run_id DESC))[1] AS latest
    FROM run_partition AS rp
    JOIN run AS r ON r.id = rp.run_id
    WHERE rp.day = $1::date + n
) AS asked ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS warnings
    FROM check_result AS c
    WHERE c.day = $1::date + n
      AND c.status <> 'pass'
) AS doubted ON true
ORDER BY n;

-- name: ReadRevisions
SELECT
    a.day,
    a.token,
    a.run_id,
    r.trigger,
    (CASE
        WHEN a.source_digest_before IS NULL THEN 'first_load'
        WHEN a.source_digest_after IS DISTINCT FROM a.source_digest_before THEN 'source_changed'
        WHEN a.inserted + a.updated + a.deleted > 0 THEN 'target_changed'
        ELSE 'requested'
    END)::text AS cause,
    a.started_at,
    a.finished_at,
    coalesce(a.outcome, CASE WHEN a.token < p.token OR p.lease_until IS NULL THEN 'lost' ELSE 'running' END)::text AS outcome,
    a.error,
    a.samples,
    a.expected,
    a.inserted,
    a.updated,
    a.deleted,
    a.source_digest_before,
    a.source_digest_after,
    a.target_digest_before,
    a.target_digest_after
FROM attempt AS a
JOIN partition AS p ON p.day = a.day
JOIN run AS r ON r.id = a.run_id
WHERE a.day BETWEEN $1::date AND $2::date
ORDER BY a.started_at DESC, a.day DESC, a.token DESC
LIMIT $3::integer;

-- name: ReadRuns
WITH session AS MATERIALIZED (
    SELECT a.pid, a.backend_start
    FROM pg_catalog.pg_stat_activity AS a
)
SELECT
    r.id, r.trigger, r.first_day, r.last_day, r.turbines, r.scope, r.parallel, r.idempotency_key, r.request, r.created_at, r.cancelled_at, r.closed_at,
    (CASE
        WHEN c.open > 0 AND c.open < c.total OR c.running > 0 THEN 'running'
        WHEN c.open > 0 THEN 'queued'
        WHEN c.failed > 0 THEN 'failed'
        WHEN c.cancelled > 0 THEN 'cancelled'
        ELSE 'done'
    END)::text AS state,
    c.total,
    (c.open - c.running)::bigint AS queued,
    c.running,
    c.done,
    c.empty,
    c.failed,
    c.cancelled,
    f.finished_at
FROM run AS r
JOIN LATERAL (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE rp.outcome IS NULL) AS open,
        count(*) FILTER (
            WHERE rp.outcome IS NULL AND s.pid IS NOT NULL AND p.lease_until >= clock_timestamp()
              AND (r.trigger <> 'command' OR p.claim_run_id = r.id)
        ) AS running,
        count(*) FILTER (WHERE rp.outcome = 'done') AS done,
        count(*) FILTER (WHERE rp.outcome = 'empty') AS empty,
        count(*) FILTER (WHERE rp.outcome = 'failed') AS failed,
        count(*) FILTER (WHERE rp.outcome = 'cancelled') AS cancelled
    FROM run_partition AS rp
    LEFT JOIN partition AS p ON p.day = rp.day
    LEFT JOIN session AS s ON s.pid = p.claim_pid AND s.backend_start = p.claim_backend_start
    WHERE rp.run_id = r.id
) AS c ON true
LEFT JOIN LATERAL (
    SELECT rp.finished_at
    FROM run_partition AS rp
    WHERE rp.run_id = r.id
      AND c.open = 0
    ORDER BY rp.finished_at DESC
    LIMIT 1
) AS f ON true
WHERE r.id = coalesce($1, r.id)
  AND r.id < coalesce($2, r.id + 1)
ORDER BY r.id DESC
LIMIT $3::integer;

-- name: FindRunByKey
SELECT id, request
FROM run
WHERE idempotency_key = $1;

-- name: ReadSchedule
SELECT id, paused, checked_at, swept_at, sweep_took
FROM schedule
WHERE id = 1;
