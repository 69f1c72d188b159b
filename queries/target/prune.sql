-- A day is pruned under a claim, like a load, in one transaction.

-- name: ListPrunable :many
-- The days before one that the target has anything of, values or the result of an attempt,
-- with how many values; with unasked only those that nobody asks for. partition_pkey and
-- run_partition_open_idx serve it.
SELECT p.day, p.rows
FROM partition AS p
WHERE p.day < sqlc.arg(before)::date
  AND (p.rows > 0 OR p.outcome <> 'pruned')
  AND NOT (
      sqlc.arg(unasked)::boolean
      AND EXISTS (
          SELECT
          FROM run_partition AS rp
          WHERE rp.day = p.day
            AND rp.outcome IS NULL
      )
  )
ORDER BY p.day;

-- name: PruneValues :execrows
-- Removes the values of [start, stop). data_timestamp_idx serves it.
DELETE FROM data
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz;

-- name: PruneFlags :exec
-- Removes the flags of [start, stop). flag_timestamp_idx serves it.
DELETE FROM flag
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz;

-- name: PruneCheckResults :exec
-- Removes what the checks found of a day. check_result_pkey serves it.
DELETE FROM check_result
WHERE day = sqlc.arg(day)::date;

-- name: PrunePartition :execrows
-- CommitPartition for an attempt that has pruned its day: the last statement before
-- COMMIT. What the last load read stays on record. partition_pkey serves it.
UPDATE partition AS p
SET claim_run_id = NULL,
    claim_pid = NULL,
    claim_backend_start = NULL,
    lease_until = NULL,
    run_id = p.claim_run_id,
    outcome = 'pruned',
    attempt = 1,
    next_attempt_at = NULL,
    error = NULL,
    started_at = sqlc.arg(started_at)::timestamptz,
    finished_at = clock_timestamp(),
    inserted = 0,
    updated = 0,
    deleted = sqlc.arg(deleted)::bigint,
    rows = 0,
    rows_most = 0,
    target_digest = 0
WHERE p.day = sqlc.arg(day)
  AND p.token = sqlc.arg(token)
  AND p.lease_until IS NOT NULL;

-- name: CountPruned :many
-- How many days of each period [start, stop) were pruned, periods without any left out.
-- partition_pkey serves it.
SELECT asked.start::timestamptz AS start, count(*)::integer AS days
FROM (
    SELECT
        unnest(sqlc.arg(starts)::timestamptz[]) AS start,
        unnest(sqlc.arg(stops)::timestamptz[]) AS stop
) AS asked
JOIN partition AS p ON p.day >= (asked.start AT TIME ZONE 'UTC')::date
    AND p.day < (asked.stop AT TIME ZONE 'UTC')::date
WHERE p.outcome = 'pruned'
GROUP BY asked.start
ORDER BY asked.start;

-- name: NoteSourcePruned :execrows
-- CommitPartition for an attempt that has the day's samples removed from the source: the
-- last statement before COMMIT. What the target holds stays. partition_pkey serves it.
UPDATE partition
SET claim_run_id = NULL,
    claim_pid = NULL,
    claim_backend_start = NULL,
    lease_until = NULL,
    source_digest_seen = source_digest,
    source_pruned_at = clock_timestamp()
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token)
  AND lease_until IS NOT NULL;
