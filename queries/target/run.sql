-- name: ReadRuns :many
-- Runs with what became of their days, the newest first; before is the id to go
-- on below. A day counts as running while somebody works on it, for whichever
-- run; one that was cancelled, until the worker that has it for this run lets go.
-- run_pkey, run_partition_pkey and partition_pkey serve it.
WITH session AS MATERIALIZED (
    SELECT a.pid, a.backend_start
    FROM pg_catalog.pg_stat_activity AS a
)
SELECT
    sqlc.embed(r),
    (CASE
        WHEN c.open > 0 AND c.open < c.total OR c.running + c.stopping > 0 THEN 'running'
        WHEN c.open > 0 THEN 'queued'
        WHEN c.failed > 0 THEN 'failed'
        WHEN c.cancelled > 0 THEN 'cancelled'
        ELSE 'done'
    END)::run_state AS state,
    c.total,
    (c.open - c.running)::bigint AS queued,
    (c.running + c.stopping)::bigint AS running,
    c.done,
    c.empty,
    c.failed,
    (c.cancelled - c.stopping)::bigint AS cancelled,
    f.finished_at
FROM run AS r
JOIN LATERAL (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE rp.outcome IS NULL) AS open,
        count(*) FILTER (
            WHERE rp.outcome IS NULL AND s.pid IS NOT NULL AND p.lease_until >= clock_timestamp()
              AND (rp.queued OR p.claim_run_id = r.id)
        ) AS running,
        count(*) FILTER (
            WHERE rp.outcome = 'cancelled' AND s.pid IS NOT NULL AND p.lease_until >= clock_timestamp()
              AND p.claim_run_id = r.id
        ) AS stopping,
        count(*) FILTER (WHERE rp.outcome IN ('done', 'pruned')) AS done,
        count(*) FILTER (WHERE rp.outcome = 'empty') AS empty,
        count(*) FILTER (WHERE rp.outcome = 'failed') AS failed,
        count(*) FILTER (WHERE rp.outcome = 'cancelled') AS cancelled
    FROM run_partition AS rp
    LEFT JOIN partition AS p ON p.day = rp.day
    LEFT JOIN session AS s ON s.pid = p.claim_pid AND coalesce(s.backend_start, p.claim_backend_start) = p.claim_backend_start
    WHERE rp.run_id = r.id
) AS c ON true
LEFT JOIN LATERAL (
    SELECT rp.finished_at
    FROM run_partition AS rp
    WHERE rp.run_id = r.id
      AND c.open + c.stopping = 0
    ORDER BY rp.finished_at DESC
    LIMIT 1
) AS f ON true
WHERE r.id = coalesce(sqlc.narg(id), r.id)
  AND r.id < coalesce(sqlc.narg(before), r.id + 1)
ORDER BY r.id DESC
LIMIT sqlc.arg(count)::integer;

-- name: FindRunByKey :one
-- The run that was made under an idempotency key, with how many days it wants.
-- run_idempotency_key_key and run_partition_pkey serve it.
SELECT
    r.id,
    coalesce(r.request, '')::text AS request,
    (SELECT count(*) FROM run_partition AS rp WHERE rp.run_id = r.id) AS partitions
FROM run AS r
WHERE r.idempotency_key = sqlc.arg(key)::text;

-- name: OpenRun :one
-- Opens a run for the queue, with the days that it wants; 0 and '' are no bound, no
-- key, no actor, no request and no trace. No row: the idempotency key has made a run before.
WITH opened AS (
    INSERT INTO run (trigger, first_day, last_day, scope, parallel, allow_empty, stop_on_failure, idempotency_key, request, actor, request_id, trace_id)
    VALUES (
        sqlc.arg(trigger), sqlc.arg(first_day), sqlc.arg(last_day), sqlc.arg(scope),
        nullif(sqlc.arg(parallel)::integer, 0), sqlc.arg(allow_empty), sqlc.arg(stop_on_failure),
        nullif(sqlc.arg(idempotency_key)::text, ''), nullif(sqlc.arg(request)::text, ''),
        nullif(sqlc.arg(actor)::text, ''), nullif(sqlc.arg(request_id)::text, ''), nullif(sqlc.arg(trace_id)::text, '')
    )
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id
), wanted AS (
    INSERT INTO run_partition (run_id, day)
    SELECT opened.id, unnest(sqlc.arg(days)::date[])
    FROM opened
)
SELECT opened.id
FROM opened;

-- name: LockRun :one
-- Holds a run while its requests are cancelled or made anew. It lets loads refer to
-- the run, which hold its requests when they do. run_pkey serves it.
SELECT id, trigger
FROM run
WHERE id = sqlc.arg(id)
ORDER BY id
FOR NO KEY UPDATE;

-- name: HoldRequests :many
-- The runs of the queue that ask for a day, so that none is called off before
-- what rests on it is written. run_partition_open_idx serves it.
SELECT rp.run_id
FROM run_partition AS rp
WHERE rp.day = sqlc.arg(day)
  AND rp.outcome IS NULL
  AND rp.queued
ORDER BY rp.run_id
FOR SHARE;

-- name: CancelRun :many
-- Closes the open requests of a run and gives their days. run_partition_pkey
-- serves it.
WITH noted AS (
    UPDATE run
    SET cancelled_at = coalesce(cancelled_at, clock_timestamp()),
        cancelled_by = nullif(sqlc.arg(actor)::text, '')
    WHERE id = sqlc.arg(run_id)
      AND EXISTS (SELECT FROM run_partition AS open WHERE open.run_id = sqlc.arg(run_id) AND open.outcome IS NULL)
)
UPDATE run_partition AS rp
SET outcome = 'cancelled',
    finished_at = clock_timestamp()
WHERE rp.run_id = sqlc.arg(run_id)
  AND rp.outcome IS NULL
RETURNING rp.day;

-- name: RetryRun :many
-- Opens the requests of a run that failed or were cancelled again and gives
-- their days. run_partition_pkey serves it.
WITH noted AS (
    UPDATE run
    SET cancelled_at = NULL,
        cancelled_by = NULL,
        retried_at = clock_timestamp(),
        retried_by = nullif(sqlc.arg(actor)::text, ''),
        closed_at = NULL
    WHERE id = sqlc.arg(run_id)
      AND EXISTS (SELECT FROM run_partition AS ended WHERE ended.run_id = sqlc.arg(run_id) AND ended.outcome IN ('failed', 'cancelled'))
)
UPDATE run_partition AS rp
SET outcome = NULL,
    token = NULL,
    finished_at = NULL,
    requested_at = now()
WHERE rp.run_id = sqlc.arg(run_id)
  AND rp.outcome IN ('failed', 'cancelled')
RETURNING rp.day;

-- name: SettleRequests :many
-- Closes the requests that an attempt answers, those for its day that were open
-- before it began, and gives their runs. run_partition_open_idx serves it.
UPDATE run_partition AS rp
SET outcome = sqlc.arg(outcome)::outcome,
    token = sqlc.arg(token)::bigint,
    finished_at = clock_timestamp()
WHERE rp.day = sqlc.arg(day)
  AND rp.outcome IS NULL
  AND rp.queued
  AND rp.requested_at <= sqlc.arg(started_at)::timestamptz
RETURNING rp.run_id;

-- name: LockStopping :many
-- Holds the runs that ask for a day and stop when it fails, before any request of theirs
-- is locked, as whoever cancels a run does. run_partition_open_idx and run_pkey serve it.
SELECT r.id
FROM run AS r
WHERE r.stop_on_failure
  AND r.id IN (
      SELECT rp.run_id
      FROM run_partition AS rp
      WHERE rp.day = sqlc.arg(day)
        AND rp.outcome IS NULL
        AND rp.queued
  )
ORDER BY r.id
FOR NO KEY UPDATE;

-- name: LockRequests :many
-- Holds the open requests of some runs, so that StopRuns sees which days have begun.
-- run_partition_pkey serves it.
SELECT rp.day
FROM run_partition AS rp
WHERE rp.run_id = ANY (sqlc.arg(run_ids)::bigint[])
  AND rp.outcome IS NULL
ORDER BY rp.run_id, rp.day
FOR NO KEY UPDATE;

-- name: StopRuns :many
-- Cancels the requests of some runs for days that wait, and gives the days. Those in
-- work go on. run_partition_pkey and partition_pkey serve it.
UPDATE run_partition AS rp
SET outcome = 'cancelled',
    finished_at = clock_timestamp()
WHERE rp.run_id = ANY (sqlc.arg(run_ids)::bigint[])
  AND rp.outcome IS NULL
  AND NOT EXISTS (
      SELECT
      FROM partition AS p
      WHERE p.day = rp.day
        AND p.lease_until >= clock_timestamp()
  )
RETURNING rp.day;

-- name: ReadWaiting :one
-- What the workers have to do before a run's days: the place of its first day that may be
-- loaded among all such days, in River's order, and the time of its first next attempt,
-- NULL if there is none; how many days the workers that are alive can load at once, and
-- how many they do. run_partition_pkey, partition_pkey and River's index of states serve it.
WITH wanted AS MATERIALIZED (
    SELECT rp.day
    FROM run_partition AS rp
    WHERE rp.run_id = sqlc.arg(run_id)::bigint
      AND rp.outcome IS NULL
), line AS MATERIALIZED (
    SELECT
        (j.args ->> 'day')::date AS day,
        row_number() OVER (ORDER BY j.priority, j.scheduled_at, j.id) AS position
    FROM river.river_job AS j
    WHERE j.kind = 'partition'
      AND j.queue = sqlc.arg(queue)::text
      AND j.state = 'available'
)
SELECT
    coalesce((SELECT min(l.position) FROM line AS l JOIN wanted USING (day)), 0)::bigint AS position,
    again.next_attempt_at,
    (
        SELECT coalesce(sum(w.workers), 0)
        FROM worker AS w
        WHERE w.lease_until >= clock_timestamp()
    )::bigint AS workers,
    (
        SELECT count(*)
        FROM river.river_job AS j
        WHERE j.kind = 'partition'
          AND j.queue = sqlc.arg(queue)::text
          AND j.state = 'running'
    )::bigint AS busy
FROM (VALUES (1)) AS one
LEFT JOIN (
    SELECT p.next_attempt_at
    FROM partition AS p
    JOIN wanted USING (day)
    WHERE p.next_attempt_at IS NOT NULL
    ORDER BY p.next_attempt_at
    LIMIT 1
) AS again ON true;

-- name: ReadAhead :many
-- The days at the places before one in the queue, by the run that they were queued for,
-- in the order of their first day. River's index of states and run_pkey serve it.
SELECT r.id AS run_id, r.trigger, count(*) AS days
FROM (
    SELECT
        (j.args ->> 'run_id')::bigint AS run_id,
        row_number() OVER (ORDER BY j.priority, j.scheduled_at, j.id) AS position
    FROM river.river_job AS j
    WHERE j.kind = 'partition'
      AND j.queue = sqlc.arg(queue)::text
      AND j.state = 'available'
) AS line
JOIN run AS r ON r.id = line.run_id
WHERE line.position < sqlc.arg(position)::bigint
GROUP BY r.id
ORDER BY min(line.position);

-- name: WantedBy :one
-- The run that a day is loaded for: of the runs with an open request the one with more
-- permissions, then the most urgent one. It tells whether the run may remove what the
-- source no longer has, and whether it bounds its days in work. No row: no open request.
-- run_partition_open_idx serves it.
SELECT rp.run_id, r.allow_empty, (r.parallel IS NOT NULL)::boolean AS bounded
FROM run_partition AS rp
JOIN run AS r ON r.id = rp.run_id
WHERE rp.day = sqlc.arg(day)
  AND rp.outcome IS NULL
  AND rp.queued
ORDER BY r.allow_empty DESC, r.priority, rp.run_id
LIMIT 1;

-- name: CloseRuns :exec
-- Records that runs have ended, with an event for each, of who had it in hand last. run_unclosed_idx serves it.
WITH ended AS (
    UPDATE run AS r
    SET closed_at = clock_timestamp()
    WHERE r.closed_at IS NULL
      AND NOT EXISTS (
          SELECT
          FROM run_partition AS rp
          WHERE rp.run_id = r.id
            AND rp.outcome IS NULL
      )
    RETURNING r.id, coalesce(r.cancelled_by, r.retried_by, r.actor) AS actor
)
INSERT INTO event (kind, run_id, actor, state)
SELECT 'run', ended.id, ended.actor, (
    SELECT
        CASE
            WHEN bool_or(rp.outcome = 'failed') THEN 'failed'
            WHEN bool_or(rp.outcome = 'cancelled') THEN 'cancelled'
            ELSE 'done'
        END
    FROM run_partition AS rp
    WHERE rp.run_id = ended.id
)
FROM ended;

-- name: CloseAbandonedCommands :exec
-- Cancels what is left of runs of the command line whose process is gone: no
-- claim is theirs, and nothing has happened in them since idle.
UPDATE run_partition AS rp
SET outcome = 'cancelled',
    finished_at = clock_timestamp()
FROM run AS r
WHERE r.id = rp.run_id
  AND NOT rp.queued
  AND rp.outcome IS NULL
  AND r.created_at < clock_timestamp() - sqlc.arg(idle)::interval
  AND NOT EXISTS (
      SELECT
      FROM partition AS p
      WHERE p.claim_run_id = r.id
        AND p.lease_until >= clock_timestamp()
  )
  AND NOT EXISTS (
      SELECT
      FROM attempt AS a
      WHERE a.run_id = r.id
        AND coalesce(a.finished_at, a.started_at) >= clock_timestamp() - sqlc.arg(idle)::interval
  );

-- name: UnqueueCommands :execrows
-- Takes what a command asks for out of the queue: versions before the column queued
-- did not mark it. Both tables are read whole, when the column is added.
UPDATE run_partition AS rp
SET queued = false
FROM run AS r
WHERE r.id = rp.run_id
  AND r.trigger = 'command'
  AND rp.queued;
