SELECT count(*) FROM data;
