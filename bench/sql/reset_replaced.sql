TRUNCATE replaced.data;
CHECKPOINT;
