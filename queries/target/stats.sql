-- name: DigestFlags :one
-- A digest of what is flagged in [start, stop), and how its rules treat it now: it
-- changes when windows that statistics leave out do. flag_timestamp_idx serves it.
SELECT coalesce(bit_xor(hash_record_extended(row(f.turbine_id, f.variable, f.timestamp, f.check_name, r.severity), 8816678312871386365)), 0)::bigint AS digest
FROM flag AS f
LEFT JOIN check_rule AS r ON r.check_name = f.check_name AND r.variable = f.variable
WHERE f.timestamp >= sqlc.arg(start)::timestamptz
  AND f.timestamp < sqlc.arg(stop)::timestamptz;

-- name: SetNestedLoops :exec
-- Has the transaction join by hash or merge what need not be a loop, or again as is thought
-- best. Where statistics are older than rows, as in a first backfill, many rows are taken for
-- one or two, and two ranges of a year, or all days and all jobs, are joined by comparing each
-- row of one with each of the other.
SELECT set_config('enable_nestloop', sqlc.arg(allowed)::boolean::text, true);

-- name: ReadPowerCurve :many
-- The power curves of turbines in [start, stop), a row a bin; bin i has the wind speeds
-- from width × (i - 1/2) to width × (i + 1/2), the width in hundredths of m/s. Of a
-- fleet it is one curve, whose turbine is 0. Quotients of whole numbers are the doubles
-- next to the edges, so that the comparison with them mends the rounding of near.
-- data_pkey serves a range for each turbine and signal.
SELECT
    (CASE WHEN sqlc.arg(fleet)::boolean THEN 0 ELSE t.id END)::integer AS turbine_id,
    w.bin::double precision AS bin,
    count(*) FILTER (WHERE NOT w.flagged) AS count,
    count(*) FILTER (WHERE w.flagged) AS flagged,
    coalesce(avg(w.wind_speed) FILTER (WHERE NOT w.flagged), 0)::double precision AS wind_speed,
    coalesce(avg(w.power) FILTER (WHERE NOT w.flagged), 0)::double precision AS power,
    coalesce(stddev_samp(w.power) FILTER (WHERE NOT w.flagged), 0)::double precision AS power_std
FROM unnest(sqlc.arg(turbine_ids)::integer[]) AS t (id)
CROSS JOIN LATERAL (
    SELECT
        held.wind_speed,
        held.power,
        held.near
            + (held.wind_speed >= (2 * held.near + 1) * sqlc.arg(width)::integer / 200)::integer
            - (held.wind_speed < (2 * held.near - 1) * sqlc.arg(width)::integer / 200)::integer AS bin,
        f.timestamp IS NOT NULL AS flagged
    FROM (
        SELECT
            v.timestamp,
            v.value AS wind_speed,
            p.value AS power,
            floor(v.value * 100 / sqlc.arg(width)::integer + 0.5) AS near
        FROM data AS v
        JOIN data AS p ON p.turbine_id = v.turbine_id
            AND p.timestamp = v.timestamp
        WHERE v.turbine_id = t.id
          AND v.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'wind_speed_mean')
          AND v.timestamp >= sqlc.arg(start)::timestamptz
          AND v.timestamp < sqlc.arg(stop)::timestamptz
          AND p.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'power_mean')
          AND p.timestamp >= sqlc.arg(start)::timestamptz
          AND p.timestamp < sqlc.arg(stop)::timestamptz
    ) AS held
    LEFT JOIN (
        SELECT DISTINCT flag.timestamp
        FROM flag
        LEFT JOIN check_rule AS r ON r.check_name = flag.check_name AND r.variable = flag.variable
        WHERE flag.turbine_id = t.id
          AND flag.variable IN ('wind_speed', 'power')
          AND flag.timestamp >= sqlc.arg(start)::timestamptz
          AND flag.timestamp < sqlc.arg(stop)::timestamptz
          AND (sqlc.arg(leave_out_flagged)::boolean OR r.severity = 'block')
    ) AS f ON f.timestamp = held.timestamp
) AS w
GROUP BY 1, 2
HAVING count(w.wind_speed) > 0
ORDER BY 1, 2;

-- name: ReadPowerDensity :many
-- How many windows of [start, stop) are in each cell of a grid of wind speed by power,
-- by its lower edges. Its sizes are 1, 2 or 5 tenths by a power of ten, the smallest that
-- 100 cells a side are enough of. Windows that are left out don't count for that, and beyond
-- the grid they are in the nearest cell. data_pkey serves a range for each turbine and
-- signal. MATERIALIZED, because the sizes would be computed anew for each window.
WITH w AS MATERIALIZED (
    SELECT held.wind_speed, held.power, held.flagged
    FROM unnest(sqlc.arg(turbine_ids)::integer[]) AS t (id)
    CROSS JOIN LATERAL (
        SELECT j.wind_speed, j.power, f.timestamp IS NOT NULL AS flagged
        FROM (
            SELECT v.timestamp, v.value AS wind_speed, p.value AS power
            FROM data AS v
            JOIN data AS p ON p.turbine_id = v.turbine_id
                AND p.timestamp = v.timestamp
            WHERE v.turbine_id = t.id
              AND v.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'wind_speed_mean')
              AND v.timestamp >= sqlc.arg(start)::timestamptz
              AND v.timestamp < sqlc.arg(stop)::timestamptz
              AND p.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'power_mean')
              AND p.timestamp >= sqlc.arg(start)::timestamptz
              AND p.timestamp < sqlc.arg(stop)::timestamptz
        ) AS j
        LEFT JOIN (
            SELECT DISTINCT flag.timestamp
            FROM flag
            LEFT JOIN check_rule AS r ON r.check_name = flag.check_name AND r.variable = flag.variable
            WHERE flag.turbine_id = t.id
              AND flag.variable IN ('wind_speed', 'power')
              AND flag.timestamp >= sqlc.arg(start)::timestamptz
              AND flag.timestamp < sqlc.arg(stop)::timestamptz
              AND (sqlc.arg(leave_out_flagged)::boolean OR r.severity = 'block')
        ) AS f ON f.timestamp = j.timestamp
    ) AS held
),
extent AS (
    SELECT
        coalesce(min(w.wind_speed) FILTER (WHERE NOT w.flagged), min(w.wind_speed)) AS slowest,
        coalesce(max(w.wind_speed) FILTER (WHERE NOT w.flagged), max(w.wind_speed)) AS fastest,
        coalesce(min(w.power) FILTER (WHERE NOT w.flagged), min(w.power)) AS least,
        coalesce(max(w.power) FILTER (WHERE NOT w.flagged), max(w.power)) AS most
    FROM w
),
size AS (
    SELECT n.nth, (ARRAY[1, 2, 5])[n.nth % 3 + 1] * 10::double precision ^ (n.nth / 3) AS tenths
    FROM generate_series(0, 900) AS n (nth)
),
sized AS (
    SELECT
        e.*,
        (
            SELECT s.tenths
            FROM size AS s
            WHERE floor(e.fastest * 10 / s.tenths) - floor(e.slowest * 10 / s.tenths) < 99
            ORDER BY s.nth
            LIMIT 1
        ) AS wide,
        (
            SELECT s.tenths
            FROM size AS s
            WHERE floor(e.most * 10 / s.tenths) - floor(e.least * 10 / s.tenths) < 99
            ORDER BY s.nth
            LIMIT 1
        ) AS high
    FROM extent AS e
),
grid AS MATERIALIZED (
    SELECT
        z.*,
        -- The edges of cells, from one below the lowest on: near it division may be off.
        ARRAY(SELECT (floor(z.slowest * 10 / z.wide) - 1 + n.nth) * z.wide / 10 FROM generate_series(0, 101) AS n (nth)) AS x,
        ARRAY(SELECT (floor(z.least * 10 / z.high) - 1 + n.nth) * z.high / 10 FROM generate_series(0, 101) AS n (nth)) AS y
    FROM sized AS z
),
counted AS (
    SELECT
        width_bucket(least(greatest(w.wind_speed, g.slowest), g.fastest), g.x) AS x,
        width_bucket(least(greatest(w.power, g.least), g.most), g.y) AS y,
        count(*) FILTER (WHERE NOT w.flagged) AS count,
        count(*) FILTER (WHERE w.flagged) AS flagged
    FROM w
    CROSS JOIN grid AS g
    WHERE w.wind_speed IS NOT NULL -- a flag without values
    GROUP BY 1, 2
)
SELECT
    (g.wide / 10)::double precision AS wide,
    (g.high / 10)::double precision AS high,
    g.x[c.x]::double precision AS wind_speed,
    g.y[c.y]::double precision AS power,
    c.count,
    c.flagged
FROM counted AS c
CROSS JOIN grid AS g
ORDER BY c.x, c.y;

-- name: ReadDistribution :many
-- The wind speeds of turbines in [start, stop), a row a bin as ReadPowerCurve has them,
-- each with what is of the turbine: windows, mean, and mean cube. above is how many
-- windows of the bin are above that mean. Turbulence is of windows from 3 m/s on.
-- data_pkey serves a range for each turbine and signal.
SELECT
    t.id::integer AS turbine_id,
    m.windows,
    m.mean::double precision AS mean,
    m.cube::double precision AS cube,
    w.bin::double precision AS bin,
    w.count,
    w.above,
    w.turbulent,
    w.turbulence::double precision AS turbulence,
    w.turbulence_std::double precision AS turbulence_std
FROM unnest(sqlc.arg(turbine_ids)::integer[]) AS t (id)
CROSS JOIN LATERAL (
    SELECT count(*) AS windows, avg(d.value) AS mean, avg(d.value * d.value * d.value) AS cube
    FROM data AS d
    WHERE d.turbine_id = t.id
      AND d.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'wind_speed_mean')
      AND d.timestamp >= sqlc.arg(start)::timestamptz
      AND d.timestamp < sqlc.arg(stop)::timestamptz
) AS m
CROSS JOIN LATERAL (
    SELECT
        h.near
            + (h.wind_speed >= (2 * h.near + 1) * sqlc.arg(width)::integer / 200)::integer
            - (h.wind_speed < (2 * h.near - 1) * sqlc.arg(width)::integer / 200)::integer AS bin,
        count(*) AS count,
        count(*) FILTER (WHERE h.wind_speed > m.mean) AS above,
        count(h.turbulence) AS turbulent,
        coalesce(avg(h.turbulence), 0) AS turbulence,
        coalesce(stddev_samp(h.turbulence), 0) AS turbulence_std
    FROM (
        SELECT
            v.value AS wind_speed,
            CASE WHEN v.value >= 3 THEN d.value / v.value END AS turbulence,
            floor(v.value * 100 / sqlc.arg(width)::integer + 0.5) AS near
        FROM data AS v
        LEFT JOIN data AS d ON d.turbine_id = v.turbine_id
            AND d.timestamp = v.timestamp
            AND d.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'wind_speed_std')
            AND d.timestamp >= sqlc.arg(start)::timestamptz
            AND d.timestamp < sqlc.arg(stop)::timestamptz
        WHERE v.turbine_id = t.id
          AND v.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = 'wind_speed_mean')
          AND v.timestamp >= sqlc.arg(start)::timestamptz
          AND v.timestamp < sqlc.arg(stop)::timestamptz
    ) AS h
    GROUP BY 1
) AS w
ORDER BY t.id, w.bin;

-- name: SetTimeZone :exec
-- Makes a time zone that of the transaction. By AT TIME ZONE it would be looked up by
-- its name for every row.
SELECT set_config('TimeZone', sqlc.arg(time_zone)::text, true);

-- name: ReadProfile :many
-- The mean of a variable in [start, stop) by turbine, month and hour of the day, these in
-- the time zone of the transaction, weighted by the readings. data_pkey serves a range
-- for each turbine and signal.
SELECT
    t.id::integer AS turbine_id,
    w.month,
    w.hour,
    w.mean::double precision AS mean,
    w.count
FROM unnest(sqlc.arg(turbine_ids)::integer[]) AS t (id)
CROSS JOIN LATERAL (
    SELECT
        date_part('month', m.timestamp)::integer AS month,
        date_part('hour', m.timestamp)::integer AS hour,
        coalesce(sum(m.value * n.value) / nullif(sum(n.value), 0), 0) AS mean,
        sum(n.value)::bigint AS count
    FROM data AS m
    JOIN data AS n ON n.turbine_id = m.turbine_id
        AND n.timestamp = m.timestamp
    WHERE m.turbine_id = t.id
      AND m.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = sqlc.arg(variable)::text || '_mean')
      AND m.timestamp >= sqlc.arg(start)::timestamptz
      AND m.timestamp < sqlc.arg(stop)::timestamptz
      AND n.signal_id = (SELECT s.id FROM signal AS s WHERE s.name = sqlc.arg(variable)::text || '_count')
      AND n.timestamp >= sqlc.arg(start)::timestamptz
      AND n.timestamp < sqlc.arg(stop)::timestamptz
    GROUP BY 1, 2
) AS w
ORDER BY t.id, w.month, w.hour;
