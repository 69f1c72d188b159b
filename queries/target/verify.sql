-- name: ListLoadedDays :many
-- The days of [first_day, last_day] that the ledger says are loaded, whether
-- their source has changed since or not. partition_pkey serves it.
SELECT day
FROM partition
WHERE outcome IN ('done', 'empty')
  AND day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
ORDER BY day;

-- name: ReadStrays :many
-- The values of [start, stop) whose turbine or signal is outside the lists, in
-- the key's order: what ReadValues of all of them does not come across.
-- data_timestamp_idx serves it.
SELECT turbine_id, signal_id, timestamp, value
FROM data
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
  AND (
      turbine_id <> ALL (sqlc.arg(turbine_ids)::integer[])
      OR signal_id <> ALL (sqlc.arg(signal_ids)::integer[])
  )
ORDER BY turbine_id, signal_id, timestamp;
