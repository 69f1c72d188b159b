-- name: ListFailed :many
-- The days whose last attempt failed; whether that was for good: nobody asks for them or
-- works on them, and no attempt is to come. partition is read whole;
-- run_partition_day_idx serves the requests.
SELECT
    p.day,
    p.run_id,
    coalesce(p.error, '')::text AS error,
    (
        p.next_attempt_at IS NULL
        AND (p.lease_until IS NULL OR p.lease_until < clock_timestamp())
        AND NOT EXISTS (
            SELECT
            FROM run_partition AS rp
            WHERE rp.day = p.day
              AND rp.outcome IS NULL
        )
    )::boolean AS for_good
FROM partition AS p
WHERE p.outcome = 'failed'
ORDER BY p.day;

-- name: ListConditions :many
-- What is wrong and was told, which are few rows.
SELECT *
FROM condition
ORDER BY kind, day;

-- name: BeginConditions :exec
-- Records conditions that are told of. condition_pkey serves it.
INSERT INTO condition (kind, day)
SELECT sqlc.arg(kind), unnest(sqlc.arg(days)::date[]);

-- name: EndConditions :exec
-- Removes conditions whose end is told. condition_pkey serves it.
DELETE FROM condition
WHERE kind = sqlc.arg(kind)
  AND day = ANY (sqlc.arg(days)::date[]);

-- name: QuietNotices :many
-- Of which kinds, begins or ends, a notice was made within the last time.
-- notice_created_at_key serves it.
SELECT DISTINCT n.kind, n.ended
FROM notice AS n
WHERE n.created_at > clock_timestamp() - sqlc.arg(last)::interval
ORDER BY n.kind, n.ended;

-- name: AddNotice :exec
-- Enters a notice to be sent.
INSERT INTO notice (kind, ended, data)
VALUES (sqlc.arg(kind), sqlc.arg(ended), sqlc.arg(data));

-- name: TakeNotice :one
-- Takes the oldest notice that was not sent, for as long as a request may take. No row:
-- there is none, it is not yet time again, or another process has it. notice_unsent_idx
-- serves it.
UPDATE notice AS n
SET attempts = n.attempts + 1,
    next_attempt_at = clock_timestamp() + sqlc.arg(lease)::interval
WHERE n.id = (
        SELECT min(m.id)
        FROM notice AS m
        WHERE m.sent_at IS NULL
    )
  AND n.sent_at IS NULL
  AND n.next_attempt_at <= clock_timestamp()
RETURNING n.*;

-- name: SentNotice :exec
-- Records that the receiver took a notice. notice_pkey serves it.
UPDATE notice
SET sent_at = clock_timestamp()
WHERE id = sqlc.arg(id);

-- name: PostponeNotice :exec
-- Says when a notice that the receiver did not take is sent again. notice_pkey serves it.
UPDATE notice
SET next_attempt_at = clock_timestamp() + sqlc.arg(wait)::interval
WHERE id = sqlc.arg(id)
  AND attempts = sqlc.arg(attempts);

-- name: TrimNotices :exec
-- Removes notices that were sent longer ago than kept. The table is read whole.
DELETE FROM notice
WHERE sent_at < clock_timestamp() - sqlc.arg(kept)::interval;
