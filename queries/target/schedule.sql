-- name: ReadSchedule :one
-- Reads the schedule.
SELECT *
FROM schedule
WHERE id = 1;

-- name: LockSchedule :one
-- Holds the schedule, so that what is due is found by one at a time, and gives it its
-- row if it has none. schedule_pkey serves it.
INSERT INTO schedule AS s (id)
VALUES (1)
ON CONFLICT (id) DO UPDATE
SET id = excluded.id
RETURNING s.*;

-- name: PauseSchedule :exec
-- Pauses or resumes the schedule on behalf of an actor; '' is none.
UPDATE schedule
SET paused = sqlc.arg(paused),
    changed_at = sqlc.arg(at)::timestamptz,
    changed_by = nullif(sqlc.arg(actor)::text, '')
WHERE id = 1;

-- name: NoteScheduleChecked :exec
-- Records when the schedule was last looked at.
UPDATE schedule
SET checked_at = sqlc.arg(at)::timestamptz
WHERE id = 1;

-- name: ClaimSweep :execrows
-- Takes the turn of looking for late data. No row: it is paused, or not yet time
-- again, after share times what the last look took. A time ahead of this clock's
-- by more than the interval is a wrong clock's. schedule_pkey serves it.
INSERT INTO schedule AS s (id, swept_at)
VALUES (1, sqlc.arg(at)::timestamptz)
ON CONFLICT (id) DO UPDATE
SET swept_at = excluded.swept_at
WHERE NOT s.paused
  AND (
      s.swept_at IS NULL
      OR s.swept_at + greatest(sqlc.arg(every)::interval, s.sweep_took * sqlc.arg(share)::integer) <= excluded.swept_at
      OR s.swept_at > excluded.swept_at + sqlc.arg(every)::interval
  );

-- name: ClaimToday :execrows
-- Takes the turn of looking at the running day. No row: the schedule is paused, the
-- source is suspect, it is not yet time again, or what has come late of yesterday is to
-- be loaded first. A time ahead is as for ClaimSweep. schedule_pkey and
-- run_partition_day_idx serve it.
INSERT INTO schedule AS s (id, today_at)
SELECT 1, sqlc.arg(at)::timestamptz
WHERE NOT EXISTS (
    SELECT
    FROM run_partition AS rp
    JOIN run AS r ON r.id = rp.run_id
    LEFT JOIN partition AS p ON p.day = rp.day
    WHERE rp.day = sqlc.arg(yesterday)::date
      AND rp.outcome IS NULL
      AND r.trigger IN ('schedule', 'sweep')
      AND p.next_attempt_at IS NULL
)
ON CONFLICT (id) DO UPDATE
SET today_at = excluded.today_at
WHERE NOT s.paused
  AND s.suspect_since IS NULL
  AND (
      s.today_at IS NULL
      OR s.today_at + sqlc.arg(every)::interval <= excluded.today_at
      OR s.today_at > excluded.today_at + sqlc.arg(every)::interval
  );

-- name: ReopenToday :one
-- Asks for the running day again by the run that has asked for it before. No row: there
-- is none, it still asks, or the day was forgotten. run_partition_day_idx serves it.
WITH reopened AS (
    UPDATE run AS r
    SET closed_at = NULL
    FROM run_partition AS rp
    WHERE rp.day = sqlc.arg(day)::date
      AND rp.outcome IS NOT NULL
      AND r.id = rp.run_id
      AND r.trigger = 'today'
    RETURNING r.id
)
UPDATE run_partition AS rp
SET outcome = NULL,
    token = NULL,
    finished_at = NULL,
    requested_at = now()
FROM reopened
WHERE rp.run_id = reopened.id
  AND rp.day = sqlc.arg(day)::date
RETURNING rp.run_id;

-- name: NoteSweepTook :exec
-- Records how long the source took to look for late data.
UPDATE schedule
SET sweep_took = sqlc.arg(took)::interval
WHERE id = 1;

-- name: NoteSweep :exec
-- Records how far the source was looked at: the cursor for what changes next, '' for none;
-- the days to be looked at again, whatever changes; and whether all days were.
UPDATE schedule
SET sweep_cursor = nullif(sqlc.arg(cursor)::text, ''),
    sweep_again = sqlc.arg(again)::date[],
    swept_whole_at = CASE WHEN sqlc.arg(whole)::boolean THEN sqlc.arg(at)::timestamptz ELSE swept_whole_at END
WHERE id = 1;

-- name: ClaimedDays :many
-- Those of the days that somebody is loading. partition_pkey serves it.
SELECT day
FROM partition
WHERE day = ANY (sqlc.arg(days)::date[])
  AND lease_until IS NOT NULL
ORDER BY day;

-- name: NoteSuspicion :exec
-- Records why the source is not believed, '' once it is, and since when: the first
-- time counts until then.
UPDATE schedule
SET suspect_since = CASE WHEN sqlc.arg(reason)::text <> '' THEN coalesce(suspect_since, sqlc.arg(at)::timestamptz) END,
    suspect_reason = nullif(sqlc.arg(reason)::text, '')
WHERE id = 1;

-- name: UnseeDays :exec
-- Resets the last seen digest of the days before the one from which the source is
-- believed: they count as unchanged. partition_pkey serves it.
UPDATE partition
SET source_digest_seen = source_digest
WHERE day < sqlc.arg(before)::date
  AND outcome IN ('done', 'empty')
  AND source_digest_seen IS DISTINCT FROM source_digest;

-- name: SeenDigests :many
-- The source's digests of days as last seen. partition_pkey serves it.
SELECT day, coalesce(source_digest_seen, 0)::bigint AS digest
FROM partition
WHERE day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
ORDER BY day;

-- name: LeftOutDays :one
-- How many of the days [first_day, last_day] nobody has loaded since they ended, asked
-- for, called off or forgotten, and the first and the last of them. partition_pkey,
-- run_pkey, run_partition_day_idx and forgotten_pkey serve it.
SELECT
    count(*) AS days,
    coalesce(min(d.day), sqlc.arg(first_day))::date AS first_day,
    coalesce(max(d.day), sqlc.arg(last_day))::date AS last_day
FROM (
    SELECT sqlc.arg(first_day)::date + n AS day
    FROM generate_series(0, sqlc.arg(last_day)::date - sqlc.arg(first_day)::date) AS n
) AS d
LEFT JOIN partition AS p ON p.day = d.day
LEFT JOIN run AS r ON r.id = p.run_id
WHERE (
      p.outcome IS NULL
      OR p.outcome IN ('done', 'empty')
      AND (p.started_at < (d.day + 1)::timestamp AT TIME ZONE 'UTC' OR r.trigger = 'today')
  )
  AND NOT EXISTS (
      SELECT
      FROM run_partition AS rp
      WHERE rp.day = d.day
        AND (rp.outcome IS NULL OR rp.outcome = 'cancelled' AND p.outcome IS NULL)
  )
  AND NOT EXISTS (
      SELECT
      FROM forgotten AS f
      WHERE f.day = d.day
  );

-- name: CalledOffDays :many
-- The days whose latest request of the queue was called off, and those that were
-- forgotten and not asked for since; whether the request was one for the running day.
-- run_partition_day_idx, run_pkey and forgotten_pkey serve it.
SELECT latest.day, (latest.trigger = 'today')::boolean AS today
FROM (
    SELECT DISTINCT ON (rp.day) rp.day, rp.outcome, r.trigger
    FROM run_partition AS rp
    JOIN run AS r ON r.id = rp.run_id
    WHERE rp.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND rp.queued
    ORDER BY rp.day, rp.requested_at DESC, rp.run_id DESC
) AS latest
WHERE latest.outcome = 'cancelled'
UNION
SELECT f.day, false
FROM forgotten AS f
WHERE f.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
  AND NOT EXISTS (
      SELECT
      FROM run_partition AS rp
      WHERE rp.day = f.day
  )
ORDER BY day;

-- name: FailedDays :many
-- The days that have failed and that nobody asks for, works on or has called off
-- since, with how often the schedule has asked for each again since somebody or
-- something else did, or since it last succeeded. partition_pkey, run_partition_day_idx and attempt_pkey
-- serve it.
SELECT
    p.day,
    p.finished_at::timestamptz AS failed_at,
    p.next_attempt_at,
    (
        SELECT count(*)
        FROM run_partition AS rp
        JOIN run AS r ON r.id = rp.run_id
        WHERE rp.day = p.day
          AND r.trigger = 'schedule'
          AND r.scope = 'failed'
          AND rp.requested_at > coalesce((
              SELECT max(o.requested_at)
              FROM run_partition AS o
              JOIN run AS other ON other.id = o.run_id
              WHERE o.day = p.day
                AND (other.trigger, other.scope) <> ('schedule', 'failed')
          ), '-infinity')
          AND rp.requested_at > coalesce((
              SELECT max(a.started_at)
              FROM attempt AS a
              WHERE a.day = p.day
                AND a.outcome IN ('done', 'empty')
          ), '-infinity')
    )::integer AS asked
FROM partition AS p
WHERE p.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
  AND p.outcome = 'failed'
  AND p.finished_at IS NOT NULL
  AND (p.lease_until IS NULL OR p.lease_until < clock_timestamp())
  AND NOT EXISTS (
      SELECT
      FROM run_partition AS rp
      WHERE rp.day = p.day
        AND rp.outcome IS NULL
        AND rp.queued
  )
  AND (
      SELECT CASE WHEN r.trigger <> 'today' THEN rp.outcome END
      FROM run_partition AS rp
      JOIN run AS r ON r.id = rp.run_id
      WHERE rp.day = p.day
        AND rp.queued
      ORDER BY rp.requested_at DESC, rp.run_id DESC
      LIMIT 1
  ) IS DISTINCT FROM 'cancelled'
ORDER BY p.day;

-- name: PlanNextAttempt :exec
-- Says when the schedule asks for a failed day again. A row that is being written
-- is left for the next time. partition_pkey serves it.
UPDATE partition AS p
SET next_attempt_at = sqlc.arg(at)::timestamptz
WHERE p.day IN (
    SELECT q.day
    FROM partition AS q
    WHERE q.day = sqlc.arg(day)::date
      AND q.outcome = 'failed'
    FOR NO KEY UPDATE SKIP LOCKED
);
