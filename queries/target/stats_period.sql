-- name: ReadCounts :many
-- How many readings turbines have in periods, by the signals that count them: a row for
-- each of the three, also where there is none. starts and stops are those of the
-- periods, [start, stop). data_pkey serves a range for each row.
SELECT
    t.id::integer AS turbine_id,
    s.id::integer AS signal_id,
    p.start::timestamptz AS start,
    held.readings::bigint AS readings
FROM (SELECT unnest(sqlc.arg(turbine_ids)::integer[]) AS id) AS t
CROSS JOIN (SELECT unnest(sqlc.arg(signal_ids)::integer[]) AS id) AS s
CROSS JOIN (SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start, unnest(sqlc.arg(stops)::timestamptz[]) AS stop) AS p
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.value), 0) AS readings
    FROM data AS d
    WHERE d.turbine_id = t.id
      AND d.signal_id = s.id
      AND d.timestamp >= p.start
      AND d.timestamp < p.stop
) AS held;

-- name: ReadCountsOfBoth :many
-- How many samples of turbines have wind speed and power in periods [start, stop): of a
-- window as many as have the less frequent of the two. data_pkey serves a range for each
-- turbine, period and variable.
SELECT
    t.id::integer AS turbine_id,
    p.start::timestamptz AS start,
    held.samples::bigint AS samples
FROM (SELECT unnest(sqlc.arg(turbine_ids)::integer[]) AS id) AS t
CROSS JOIN (SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start, unnest(sqlc.arg(stops)::timestamptz[]) AS stop) AS p
CROSS JOIN LATERAL (
    SELECT coalesce(sum(least(v.value, w.value)), 0) AS samples
    FROM data AS v
    JOIN data AS w ON w.timestamp = v.timestamp
    WHERE v.turbine_id = t.id
      AND v.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'wind_speed_count')
      AND v.timestamp >= p.start
      AND v.timestamp < p.stop
      AND w.turbine_id = t.id
      AND w.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'power_count')
      AND w.timestamp >= p.start
      AND w.timestamp < p.stop
) AS held;

-- name: ReadEnergy :many
-- The energy of turbines in periods [start, stop), by mean power and the seconds that
-- readings of power cover, which are at most those of a window: what windows of positive
-- power gave and what the others took, in kW s; and the sum of the positive means, in kW.
-- interval_seconds are those of the turbines. data_pkey serves a range for each turbine,
-- period and signal.
SELECT
    t.id::integer AS turbine_id,
    p.start::timestamptz AS start,
    held.windows,
    held.covered_seconds::double precision AS covered_seconds,
    held.given::double precision AS given,
    held.taken::double precision AS taken,
    held.positive::double precision AS positive
FROM (SELECT unnest(sqlc.arg(turbine_ids)::integer[]) AS id, unnest(sqlc.arg(interval_seconds)::double precision[]) AS interval) AS t
CROSS JOIN (SELECT unnest(sqlc.arg(starts)::timestamptz[]) AS start, unnest(sqlc.arg(stops)::timestamptz[]) AS stop) AS p
CROSS JOIN LATERAL (
    SELECT
        count(*) AS windows,
        coalesce(sum(least(c.value * t.interval, sqlc.arg(window_seconds)::double precision)), 0) AS covered_seconds,
        coalesce(sum(m.value * least(c.value * t.interval, sqlc.arg(window_seconds)::double precision)) FILTER (WHERE m.value > 0), 0) AS given,
        coalesce(sum(-m.value * least(c.value * t.interval, sqlc.arg(window_seconds)::double precision)) FILTER (WHERE m.value <= 0), 0) AS taken,
        coalesce(sum(m.value) FILTER (WHERE m.value > 0), 0) AS positive
    FROM data AS m
    JOIN data AS c ON c.timestamp = m.timestamp
    WHERE m.turbine_id = t.id
      AND m.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'power_mean')
      AND m.timestamp >= p.start
      AND m.timestamp < p.stop
      AND c.turbine_id = t.id
      AND c.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'power_count')
      AND c.timestamp >= p.start
      AND c.timestamp < p.stop
) AS held;
