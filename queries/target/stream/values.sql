-- name: ReadValues :many
-- @stream
-- What the target holds of some turbines in [start, stop), in the key's order,
-- to be held against new windows. Turbines and signals are named, so that
-- data_pkey serves one short range for each pair, however many years there are.
SELECT turbine_id, signal_id, timestamp, value
FROM data
WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
  AND signal_id = ANY (sqlc.arg(signal_ids)::integer[])
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
ORDER BY turbine_id, signal_id, timestamp;

-- name: ReadWindows :many
-- @stream
-- Values of [start, stop), those of a turbine and signal together, in no order: whoever
-- wants them window by window sorts as much as fits its memory. Arrays cost the server and
-- its reader less than rows. Turbines and signals are named, so that data_pkey serves one
-- short range for each pair.
SELECT d.turbine_id, d.signal_id, d.timestamps, d.values
FROM unnest(sqlc.arg(turbine_ids)::integer[]) AS t (turbine)
CROSS JOIN unnest(sqlc.arg(signal_ids)::integer[]) AS s (signal)
CROSS JOIN LATERAL (
    SELECT
        data.turbine_id,
        data.signal_id,
        array_agg(data.timestamp)::timestamptz[] AS timestamps,
        array_agg(data.value)::double precision[] AS values
    FROM data
    WHERE data.turbine_id = t.turbine
      AND data.signal_id = s.signal
      AND data.timestamp >= sqlc.arg(start)::timestamptz
      AND data.timestamp < sqlc.arg(stop)::timestamptz
    GROUP BY data.turbine_id, data.signal_id
) AS d;

-- name: ReadStrays :many
-- @stream
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

-- name: CopyValues :copyfrom
-- @copy hash
-- Loads a day that holds nothing.
INSERT INTO data (turbine_id, signal_id, timestamp, value)
VALUES ($1, $2, $3, $4);
