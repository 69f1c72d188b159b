SELECT count(*) FROM replaced.data;
