package schema

// New makes a schema of any SQL, without reference rows; retired is what a former
// version of it had.
func New(sql string, retired ...string) Schema {
	return Schema{Name: "test", SQL: sql, retired: retired}
}
