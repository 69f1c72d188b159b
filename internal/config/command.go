package config

// Schema is what `delfos schema apply` reads.
type Schema struct {
	SourceDB
	TargetDB
	Atlas
	Log
}

// Validate reports every fault.
func (c *Schema) Validate() error {
	return Join(c.SourceDB.faults(), c.TargetDB.faults(), c.Atlas.faults(), c.Log.faults())
}

// Source is what the commands read that write samples: seed and import.
type Source struct {
	SourceDB
	Log
}

// Validate reports every fault.
func (c *Source) Validate() error { return Join(c.SourceDB.faults(), c.Log.faults()) }

// Serve is what `delfos serve` reads.
type Serve struct {
	SourceDB
	API
	Access
	Shutdown
	Log
}

// Validate reports every fault.
func (c *Serve) Validate() error {
	return Join(c.SourceDB.faults(), c.API.faults(), c.Access.faults(), c.Shutdown.faults(), c.Log.faults())
}

// ETL is what `delfos etl` reads.
type ETL struct {
	SourceAPI
	TargetDB
	SourceRetention
	Log
}

// Validate reports every fault.
func (c *ETL) Validate() error {
	return Join(c.SourceAPI.faults(), c.TargetDB.faults(), c.SourceRetention.faults(), c.Log.faults())
}

// Orchestrate is what `delfos orchestrate` reads.
type Orchestrate struct {
	SourceAPI
	TargetDB
	Console
	Access
	Shutdown
	Schedule
	SourceRetention
	Retention
	Log
}

// Validate reports every fault.
func (c *Orchestrate) Validate() error {
	return Join(c.SourceAPI.faults(), c.TargetDB.faults(), c.Console.faults(), c.Access.faults(), c.Shutdown.faults(), c.Schedule.faults(), c.SourceRetention.faults(), c.Retention.faults(), c.Log.faults())
}

// Healthcheck is what `delfos healthcheck` reads.
type Healthcheck struct {
	API
	Console
	TargetDB
	Side
	Log
}

// Validate reports every fault.
func (c *Healthcheck) Validate() error {
	return Join(c.API.faults(), c.Console.faults(), c.TargetDB.faults(), c.Side.faults(), c.Log.faults())
}

// Postgres is what `delfos postgres` reads.
type Postgres struct {
	SourceDB
	TargetDB
	Embedded
	Log
}

// Validate reports every fault.
func (c *Postgres) Validate() error {
	return Join(c.SourceDB.faults(), c.TargetDB.faults(), c.Log.faults())
}

// Demo is what `delfos demo` reads.
type Demo struct {
	SourceDB
	TargetDB
	API
	Console
	Access
	Schedule
	SourceRetention
	Retention
	Embedded
	Log
}

// Validate reports every fault.
func (c *Demo) Validate() error {
	return Join(c.SourceDB.faults(), c.TargetDB.faults(), c.API.faults(), c.Console.faults(), c.Access.faults(), c.Schedule.faults(), c.SourceRetention.faults(), c.Retention.faults(), c.Log.faults())
}
