-- The rows of GET /data as psql gives them.
COPY (
    SELECT timestamp, wind_speed, power, ambient_temperature
    FROM data
    WHERE turbine_id = 1 AND timestamp >= :'start'::timestamptz AND timestamp < :'stop'::timestamptz
    ORDER BY turbine_id, timestamp
) TO STDOUT (FORMAT csv);
