-- name: EnsureSchedule :exec
-- Gives the schedule its row.
INSERT INTO schedule (id)
VALUES (1)
ON CONFLICT (id) DO NOTHING;

-- name: ReadSchedule :one
-- The schedule as it stands.
SELECT *
FROM schedule
WHERE id = 1;

-- name: LockSchedule :one
-- Holds the schedule, so that what is due is found by one at a time.
SELECT *
FROM schedule
WHERE id = 1
ORDER BY id
FOR UPDATE;

-- name: PauseSchedule :one
-- Pauses or resumes the schedule.
UPDATE schedule
SET paused = sqlc.arg(paused)
WHERE id = 1
RETURNING *;

-- name: NoteScheduleChecked :exec
-- Records when the schedule was last looked at.
UPDATE schedule
SET checked_at = sqlc.arg(at)::timestamptz
WHERE id = 1;

-- name: ClaimSweep :execrows
-- Takes the turn of looking for late data. No row: it is paused, or not yet time
-- again, after share times what the last look took. A time ahead of this clock's
-- by more than the interval is a wrong clock's.
UPDATE schedule
SET swept_at = sqlc.arg(at)::timestamptz
WHERE id = 1
  AND NOT paused
  AND (
      swept_at IS NULL
      OR swept_at + greatest(sqlc.arg(every)::interval, sweep_took * sqlc.arg(share)::integer) <= sqlc.arg(at)::timestamptz
      OR swept_at > sqlc.arg(at)::timestamptz + sqlc.arg(every)::interval
  );

-- name: NoteSweepTook :exec
-- Records how long the source took to look for late data.
UPDATE schedule
SET sweep_took = sqlc.arg(took)::interval
WHERE id = 1;

-- name: SuspectSource :execrows
-- Records why the source is not believed, and since when. The first time counts
-- until BelieveSource.
UPDATE schedule
SET suspect_since = coalesce(suspect_since, sqlc.arg(at)::timestamptz),
    suspect_reason = sqlc.arg(reason)::text
WHERE id = 1;

-- name: BelieveSource :execrows
-- Records that the source is believed again. No row: it was.
UPDATE schedule
SET suspect_since = NULL,
    suspect_reason = NULL
WHERE id = 1
  AND suspect_since IS NOT NULL;

-- name: UnseeDays :execrows
-- Takes back what was seen of the source of days before one that it is believed
-- of: they are what was loaded. partition_pkey serves it.
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

-- name: CalledOffDays :many
-- The days whose latest request of the queue was called off.
-- run_partition_day_idx serves it.
SELECT latest.day
FROM (
    SELECT DISTINCT ON (rp.day) rp.day, rp.outcome
    FROM run_partition AS rp
    JOIN run AS r ON r.id = rp.run_id
    WHERE rp.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND r.trigger <> 'command'
    ORDER BY rp.day, rp.requested_at DESC, rp.run_id DESC
) AS latest
WHERE latest.outcome = 'cancelled'
ORDER BY latest.day;
