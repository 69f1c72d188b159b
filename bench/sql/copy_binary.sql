-- The rows of GET /data?turbines=all as psql gives them, in binary.
COPY (
    SELECT timestamp, turbine_id, wind_speed, power, ambient_temperature
    FROM data
    WHERE timestamp >= :'start'::timestamptz AND timestamp < :'stop'::timestamptz
    ORDER BY turbine_id, timestamp
) TO STDOUT (FORMAT binary);
