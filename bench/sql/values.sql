-- What an ETL left, in the order of its key, from the schema that the session's search_path names.
SELECT turbine_id, signal_id, timestamp, value
FROM data
ORDER BY turbine_id, signal_id, timestamp;
