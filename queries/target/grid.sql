-- name: ReadGrid :many
-- The state of every day in [first_day, last_day], each derived from the ledger
-- at this moment; package orchestrator has the diagram. A claim counts while its
-- session lives and its lease has not run out; a request counts while it is open.
-- A day is over if its last attempt began after its end, and was not one at the running
-- day that came late. The end is computed without UTC's name, which would be looked up for
-- every day. partition_pkey, run_pkey, run_partition_open_idx, run_partition_day_idx and
-- check_result_doubt_idx serve it, each read once, but for days that were never loaded.
WITH session AS MATERIALIZED (
    SELECT a.pid, a.backend_start
    FROM pg_catalog.pg_stat_activity AS a
), asked AS MATERIALIZED (
    SELECT DISTINCT rp.day
    FROM run_partition AS rp
    WHERE rp.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND rp.outcome IS NULL
      AND rp.queued
), doubted AS MATERIALIZED (
    SELECT c.day, count(*) AS warnings
    FROM check_result AS c
    WHERE c.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND c.status <> 'pass'
    GROUP BY c.day
)
SELECT
    d.day::date AS day,
    (CASE
        WHEN p.lease_until >= clock_timestamp() AND s.pid IS NOT NULL THEN 'running'
        WHEN p.outcome = 'failed' AND p.next_attempt_at IS NOT NULL THEN 'failed'
        WHEN asked.day IS NOT NULL THEN 'queued'
        WHEN p.outcome IN ('done', 'empty') AND p.source_digest_seen IS DISTINCT FROM p.source_digest THEN 'stale'
        WHEN p.outcome IS NOT NULL THEN p.outcome::text
        WHEN (
            SELECT rp.outcome
            FROM run_partition AS rp
            WHERE rp.day = d.day
            ORDER BY rp.requested_at DESC, rp.run_id DESC
            LIMIT 1
        ) = 'cancelled' THEN 'cancelled'
        ELSE 'missing'
    END)::partition_state AS state,
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
    p.source_digest,
    p.source_digest_seen,
    p.looked_at,
    p.source_pruned_at,
    coalesce(doubted.warnings, 0)::bigint AS warnings,
    (coalesce(p.started_at, clock_timestamp()) >= 'epoch'::timestamptz + (d.day + 1 - 'epoch'::date) * interval '24 hours'
        AND r.trigger IS DISTINCT FROM 'today')::boolean AS over
FROM (
    SELECT sqlc.arg(first_day)::date + n AS day
    FROM generate_series(0, sqlc.arg(last_day)::date - sqlc.arg(first_day)::date) AS n
) AS d
LEFT JOIN partition AS p ON p.day = d.day AND p.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
LEFT JOIN session AS s ON s.pid = p.claim_pid AND coalesce(s.backend_start, p.claim_backend_start) = p.claim_backend_start
LEFT JOIN run AS r ON r.id = p.run_id
LEFT JOIN asked ON asked.day = d.day
LEFT JOIN doubted ON doubted.day = d.day
ORDER BY d.day;

-- name: LedgerRange :one
-- The first and the last of the days [first_day, last_day] that the ledger has
-- something to say of: days that somebody worked on and days that are asked for;
-- with called_off also those that were called off before they were loaded. No row
-- if there is none. partition_pkey, run_partition_open_idx and
-- run_partition_day_idx serve it, by a look at each end.
SELECT
    least(worked.first_day, asked.first_day, noted.first_day)::date AS first_day,
    greatest(worked.last_day, asked.last_day, noted.last_day)::date AS last_day
FROM (
    SELECT min(p.day) AS first_day, max(p.day) AS last_day
    FROM partition AS p
    WHERE p.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND (sqlc.arg(called_off)::boolean OR p.outcome IS DISTINCT FROM 'cancelled')
) AS worked
CROSS JOIN (
    SELECT min(rp.day) AS first_day, max(rp.day) AS last_day
    FROM run_partition AS rp
    WHERE rp.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND rp.outcome IS NULL
) AS asked
CROSS JOIN (
    SELECT min(rp.day) AS first_day, max(rp.day) AS last_day
    FROM run_partition AS rp
    WHERE rp.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND sqlc.arg(called_off)::boolean
) AS noted
WHERE coalesce(worked.first_day, asked.first_day, noted.first_day) IS NOT NULL;

-- name: ReadRevisions :many
-- Every attempt at the days [first_day, last_day] that loaded or tried to, the
-- newest first, with what caused it: a first load, a source that had changed, a
-- target that had, or a request alone; or the end of its retention. attempt_pkey serves it.
SELECT
    a.day,
    a.token,
    a.run_id,
    r.trigger,
    a.actor,
    (CASE
        WHEN r.trigger = 'prune_target' THEN 'pruned'
        WHEN r.trigger = 'prune_source' THEN 'source_pruned'
        WHEN a.source_digest_before IS NULL THEN 'first_load'
        WHEN a.source_digest_after IS DISTINCT FROM a.source_digest_before THEN 'source_changed'
        WHEN a.inserted + a.updated + a.deleted > 0 THEN 'target_changed'
        ELSE 'requested'
    END)::text AS cause,
    a.started_at,
    a.finished_at,
    coalesce(a.outcome::text, CASE WHEN a.token < p.token OR p.lease_until IS NULL THEN 'lost' ELSE 'running' END)::text AS outcome,
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
WHERE a.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
ORDER BY a.started_at DESC, a.day DESC, a.token DESC
LIMIT sqlc.arg(count)::integer;
