-- Aggregated in the database that holds both tables.
INSERT INTO replaced.data (turbine_id, signal_id, timestamp, value)
@statistics
;
