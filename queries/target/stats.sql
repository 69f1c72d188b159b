-- name: DigestFlags :one
-- A digest of what is flagged in [start, stop), and how its rules treat it now: it
-- changes when windows that statistics leave out do. flag_timestamp_idx serves it.
SELECT coalesce(bit_xor(hash_record_extended(row(f.turbine_id, f.variable, f.timestamp, f.check_name, r.severity), 8816678312871386365)), 0)::bigint AS digest
FROM flag AS f
LEFT JOIN check_rule AS r ON r.check_name = f.check_name AND r.variable = f.variable
WHERE f.timestamp >= sqlc.arg(start)::timestamptz
  AND f.timestamp < sqlc.arg(stop)::timestamptz;

-- name: ReadPowerCurve :many
-- The power curves of turbines in [start, stop), a row a bin; bin i has the wind speeds
-- from width × (i - 1/2) to width × (i + 1/2), the width in hundredths of m/s. Of a
-- fleet it is one curve, whose turbine is 0. Quotients of whole numbers are the doubles
-- next to the edges, so that the comparison with them mends the rounding of near.
-- data_pkey serves a range for each turbine and signal. FULL JOIN, because it can't
-- become a nested loop, whatever the planner thinks of the number of flags.
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
    FULL JOIN (
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
