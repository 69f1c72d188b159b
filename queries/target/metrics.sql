-- name: ReadQueueAge :one
-- For how many seconds the day that has waited longest may be loaded and is not, 0 if no
-- day waits; days that wait for their next attempt do not count. And how many days have failed
-- at least twice since they were last loaded, and how many notices were not sent.
-- run_partition_open_idx, partition_pkey, attempt_pkey and notice_unsent_idx serve it;
-- partition is read whole for the failed days.
SELECT
    coalesce((
        SELECT extract(epoch FROM clock_timestamp() - min(rp.requested_at))
        FROM run_partition AS rp
        LEFT JOIN partition AS p ON p.day = rp.day
        WHERE rp.outcome IS NULL
          AND rp.queued
          AND p.next_attempt_at IS NULL
          AND coalesce(p.lease_until < clock_timestamp(), true)
    ), 0)::double precision AS seconds,
    (
        SELECT count(*)
        FROM partition AS p
        WHERE p.outcome = 'failed'
          AND 2 <= (
              SELECT count(*)
              FROM attempt AS a
              WHERE a.day = p.day
                AND a.outcome = 'failed'
                AND a.token > coalesce((
                    SELECT max(b.token)
                    FROM attempt AS b
                    WHERE b.day = p.day
                      AND b.outcome IN ('done', 'empty')
                ), 0)
          )
    ) AS failed_twice,
    (
        SELECT count(*)
        FROM notice
        WHERE sent_at IS NULL
    ) AS notices;
