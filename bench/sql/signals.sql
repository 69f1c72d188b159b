SELECT id, name FROM signal;
