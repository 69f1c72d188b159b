-- name: ListLoadedDays :many
-- The days of [first_day, last_day] that the ledger says are loaded, whether
-- their source has changed since or not. partition_pkey serves it.
SELECT day
FROM partition
WHERE outcome IN ('done', 'empty')
  AND day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
ORDER BY day;
