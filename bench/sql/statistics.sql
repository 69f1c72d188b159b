    -- Five statistics of three variables in each ten-minute window, a row each.
    SELECT w.turbine_id, s.signal_id, w.start AS timestamp, s.value
    FROM (
        SELECT
            turbine_id,
            date_bin('10 minutes', timestamp, '2000-01-01Z') AS start,
            avg(wind_speed) AS m1, min(wind_speed) AS l1, max(wind_speed) AS h1,
            stddev_samp(wind_speed) AS d1, count(wind_speed) AS n1,
            avg(power) AS m2, min(power) AS l2, max(power) AS h2,
            stddev_samp(power) AS d2, count(power) AS n2,
            avg(ambient_temperature) AS m3, min(ambient_temperature) AS l3, max(ambient_temperature) AS h3,
            stddev_samp(ambient_temperature) AS d3, count(ambient_temperature) AS n3
        FROM data
        WHERE timestamp >= :'start'::timestamptz AND timestamp < :'stop'::timestamptz
        GROUP BY 1, 2
    ) AS w
    CROSS JOIN LATERAL (VALUES
        (1, m1), (2, l1), (3, h1), (4, d1), (5, n1),
        (6, m2), (7, l2), (8, h2), (9, d2), (10, n2),
        (11, m3), (12, l3), (13, h3), (14, d3), (15, n3)
    ) AS s (signal_id, value)
    WHERE s.value IS NOT NULL
