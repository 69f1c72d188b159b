package config

// Schema is what `delfos schema apply` reads.
type Schema struct {
	SourceDB
	TargetDB
	Atlas
	Roles
	Log
}

// Source is what the commands read that write samples: seed and import.
type Source struct {
	SourceDB
	Log
}

// Serve is what `delfos serve` reads.
type Serve struct {
	SourceDB
	API
	TLS
	Access
	Auth
	Limits
	Shutdown
	Metrics
	Log
}

// ETL is what `delfos etl` reads.
type ETL struct {
	SourceAPI
	TargetDB
	SourceRetention
	Log
}

// Verify is what `delfos verify` reads.
type Verify struct {
	SourceAPI
	TargetDB
	Log
}

// Orchestrate is what `delfos orchestrate` reads.
type Orchestrate struct {
	SourceAPI
	TargetDB
	Console
	TLS
	Access
	Auth
	Limits
	Shutdown
	Schedule
	SourceRetention
	Retention
	Notify
	Metrics
	Log
}

// PruneTarget is what `delfos prune target` reads.
type PruneTarget struct {
	TargetDB
	Log
}

// Databases is what `delfos schema distribute` and `delfos prune source` read.
type Databases struct {
	SourceDB
	TargetDB
	Log
}

// Client is what the commands read that ask the target API: runs and partitions.
type Client struct {
	TargetAPI
	Log
}

// Token is what `delfos token` reads.
type Token struct {
	TokensFile
	Log
}

// Healthcheck is what `delfos healthcheck` reads.
type Healthcheck struct {
	API
	Console
	TLS
	TargetDB
	Side
	Log
}

// Postgres is what `delfos postgres` reads.
type Postgres struct {
	SourceDB
	TargetDB
	Embedded
	Log
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
	Notify
	Embedded
	Metrics
	Log
}
