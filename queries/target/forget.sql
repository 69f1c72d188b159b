-- A day is forgotten in one transaction, in the order in which a load's locks what
-- it writes: requests, the day's row, the rest.

-- name: KnowsDay :one
-- Reports whether the ledger knows a day, or the target holds any value of it. The keys of
-- partition and run_partition, data_timestamp_idx and flag_timestamp_idx serve it. LIMIT is
-- for a cluster, as in IsLogged.
SELECT (
    EXISTS (SELECT 1 FROM partition AS p WHERE p.day = sqlc.arg(day)::date)
    OR EXISTS (SELECT 1 FROM run_partition AS rp WHERE rp.day = sqlc.arg(day)::date)
    OR EXISTS (
        SELECT 1
        FROM flag AS f
        WHERE f.timestamp >= sqlc.arg(start)::timestamptz
          AND f.timestamp < sqlc.arg(stop)::timestamptz
        LIMIT 1
    )
    OR EXISTS (
        SELECT 1
        FROM data AS d
        WHERE d.timestamp >= sqlc.arg(start)::timestamptz
          AND d.timestamp < sqlc.arg(stop)::timestamptz
        LIMIT 1
    )
)::boolean AS known;

-- name: ForgetRequests :exec
-- Removes the requests for a day from the runs that wanted it. It waits for a claim
-- that is under way, because ClaimPartition locks its request; afterwards none of these
-- runs can claim the day. run_partition_day_idx serves it.
DELETE FROM run_partition
WHERE day = sqlc.arg(day)::date;

-- name: LockPartition :one
-- Holds a day's row, and gives its token. partition_pkey serves it.
SELECT token
FROM partition
WHERE day = sqlc.arg(day)::date
ORDER BY day
FOR UPDATE;

-- name: ForgetPartition :exec
-- Removes all that the target and the ledger have of a day but for its last token,
-- with the flags and values of [start, stop). The keys of attempt, check_result and
-- partition, flag_timestamp_idx and data_timestamp_idx serve it.
WITH attempts AS (
    DELETE FROM attempt
    WHERE day = sqlc.arg(day)::date
),
checks AS (
    DELETE FROM check_result
    WHERE day = sqlc.arg(day)::date
),
flags AS (
    DELETE FROM flag
    WHERE timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
),
readings AS (
    DELETE FROM data
    WHERE timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
),
gone AS (
    DELETE FROM partition
    WHERE day = sqlc.arg(day)::date
    RETURNING token
)
INSERT INTO forgotten AS f (day, token, actor)
SELECT sqlc.arg(day)::date, coalesce(max(gone.token), 0), nullif(sqlc.arg(actor)::text, '')
FROM gone
ON CONFLICT (day) DO UPDATE
SET token = greatest(f.token, excluded.token),
    at = excluded.at,
    actor = excluded.actor;
