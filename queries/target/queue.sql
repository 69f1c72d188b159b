-- Jobs are derived from open requests: if River's rows are lost, DueJobs finds which
-- are missing. A job's day is unique among those that are not finished.

-- name: DueJobs :many
-- The first days that have an open request and no job, as many as their run's bound
-- allows, in the order to work on them: what was asked for earlier first, and of that the
-- schedule's and the sweep's newest day, a backfill's oldest one. The running day has a
-- queue of its own. run_partition_open_idx serves it.
WITH unfinished AS MATERIALIZED (
    SELECT (j.args ->> 'day')::date AS day, (j.args ->> 'run_id')::bigint AS run_id
    FROM river.river_job AS j
    WHERE j.kind = 'partition'
      AND j.state IN ('available', 'pending', 'retryable', 'running', 'scheduled')
), wanted AS (
    SELECT
        rp.day,
        rp.run_id,
        rp.requested_at,
        r.parallel,
        r.priority,
        r.trigger,
        CASE WHEN r.trigger = 'backfill' THEN rp.day - date '2000-01-01' ELSE date '2000-01-01' - rp.day END AS place,
        row_number() OVER (
            PARTITION BY rp.run_id
            ORDER BY rp.day
        ) AS number
    FROM run_partition AS rp
    JOIN run AS r ON r.id = rp.run_id
    WHERE rp.outcome IS NULL
      AND rp.queued
      AND NOT EXISTS (
          SELECT
          FROM unfinished AS u
          WHERE u.day = rp.day
      )
)
SELECT
    w.day::date AS day,
    min(w.run_id)::bigint AS run_id,
    min(w.priority)::integer AS priority,
    bool_or(w.trigger = 'today')::boolean AS today
FROM wanted AS w
WHERE w.parallel IS NULL
   OR w.number + (
       SELECT count(*)
       FROM unfinished AS u
       WHERE u.run_id = w.run_id
   ) <= w.parallel
GROUP BY w.day
ORDER BY min(w.priority), min(w.requested_at), min(w.place)
LIMIT sqlc.arg(count)::integer;

-- name: RaiseJobs :exec
-- Moves waiting jobs up whose day is wanted more urgently than when they were
-- queued, and that of the running day to its own queue. River has no call that changes
-- either.
UPDATE river.river_job AS j
SET priority = least(j.priority, w.priority),
    queue = CASE WHEN w.today THEN sqlc.arg(today_queue)::text ELSE j.queue END
FROM (
    SELECT rp.day, min(r.priority) AS priority, bool_or(r.trigger = 'today') AS today
    FROM run_partition AS rp
    JOIN run AS r ON r.id = rp.run_id
    WHERE rp.outcome IS NULL
      AND rp.queued
      AND r.trigger <> 'backfill' -- never more urgent than what was queued before
    GROUP BY rp.day
) AS w
WHERE j.kind = 'partition'
  AND j.state IN ('available', 'pending', 'retryable', 'scheduled')
  AND (j.args ->> 'day')::date = w.day
  AND (j.priority > w.priority OR w.today AND j.queue <> sqlc.arg(today_queue)::text);

-- name: DropJobs :exec
-- Takes waiting jobs that nothing asks for any more off the queue. River's call
-- cancels one job, with a notification; a run may have 20,000.
UPDATE river.river_job AS j
SET state = 'cancelled',
    finalized_at = clock_timestamp()
WHERE j.kind = 'partition'
  AND j.state IN ('available', 'pending', 'retryable', 'scheduled')
  AND (j.args ->> 'day')::date = ANY (sqlc.arg(days)::date[])
  AND NOT EXISTS (
      SELECT
      FROM run_partition AS rp
      WHERE rp.day = (j.args ->> 'day')::date
        AND rp.outcome IS NULL
        AND rp.queued
  );

-- name: UnwantedRunningJobs :many
-- Jobs in work that nothing asks for any more.
SELECT j.id
FROM river.river_job AS j
WHERE j.kind = 'partition'
  AND j.state = 'running'
  AND NOT EXISTS (
      SELECT
      FROM run_partition AS rp
      WHERE rp.day = (j.args ->> 'day')::date
        AND rp.outcome IS NULL
        AND rp.queued
  )
ORDER BY j.id;

-- name: DelayedJobs :many
-- Jobs of some days that wait for their next attempt.
SELECT j.id
FROM river.river_job AS j
WHERE j.kind = 'partition'
  AND j.state IN ('retryable', 'scheduled')
  AND (j.args ->> 'day')::date = ANY (sqlc.arg(days)::date[])
ORDER BY j.id;

-- name: RequeueLostJobs :many
-- Puts running jobs that no living worker has in hand back on the queue: River's
-- call leaves running jobs alone, and its rescuer goes by their age. Their attempt
-- keeps counting, so that what the old attempt still says of itself can be told
-- from the new one. A job that somebody holds locked is left for the
-- next time: its session ends with its claim's lease.
UPDATE river.river_job AS j
SET state = 'available',
    scheduled_at = clock_timestamp(),
    max_attempts = greatest(j.max_attempts, j.attempt + 1)::smallint
WHERE j.id IN (
    SELECT lost.id
    FROM river.river_job AS lost
    WHERE lost.kind = 'partition'
      AND lost.state = 'running'
      AND NOT EXISTS (
          SELECT
          FROM worker AS w
          WHERE w.id = lost.attempted_by[array_upper(lost.attempted_by, 1)]
            AND w.lease_until >= clock_timestamp()
            AND (lost.id = ANY (w.jobs) OR lost.attempted_at >= w.beat_at - interval '1 second')
      )
    ORDER BY lost.id
    FOR UPDATE SKIP LOCKED
)
RETURNING j.id, (j.args ->> 'day')::date AS day, j.attempt;

-- name: BeatWorker :exec
-- A worker's sign of life, with the jobs that it has in hand.
INSERT INTO worker AS w (id, host, pid, workers, jobs, lease_until, settings)
VALUES (
    sqlc.arg(id), sqlc.arg(host), sqlc.arg(pid), sqlc.arg(workers), sqlc.arg(jobs),
    clock_timestamp() + sqlc.arg(lease)::interval, sqlc.arg(settings)
)
ON CONFLICT (id) DO UPDATE
SET jobs = excluded.jobs,
    beat_at = excluded.beat_at,
    lease_until = excluded.lease_until;

-- name: RemoveWorker :exec
-- Removes a worker that ends in good order. worker_pkey serves it.
DELETE FROM worker
WHERE id = sqlc.arg(id);

-- name: ForgetWorkers :exec
-- Removes workers that have been gone for a day.
DELETE FROM worker
WHERE lease_until < clock_timestamp() - interval '1 day';

-- name: OwnsQueue :one
-- Reports whether this session's role may do with River's tables what only their owner may.
-- One row of the catalog.
SELECT pg_has_role(c.relowner, 'USAGE')::boolean AS owns
FROM pg_catalog.pg_class AS c
WHERE c.oid = 'river.river_job'::regclass;

-- name: TryReconciling :one
-- Reports whether this transaction may reconcile the queue with the ledger now.
SELECT pg_try_advisory_xact_lock(hashtextextended('delfos.queue', 0));

-- name: ClearNextAttempts :exec
-- Clears the time of the next attempt of days that were requested again or cancelled.
-- partition_pkey serves it.
UPDATE partition
SET next_attempt_at = NULL
WHERE day = ANY (sqlc.arg(days)::date[])
  AND next_attempt_at IS NOT NULL;
