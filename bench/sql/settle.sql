-- After seeding: the planner's figures and the visibility map, as a database has them that runs.
VACUUM ANALYZE;
CHECKPOINT;
