package config

// TargetAPI says where the target API answers.
type TargetAPI struct {
	TargetAPIURL string `env:"TARGET_API_URL" envDefault:"http://localhost:3000" help:"target API to ask" kind:"URL"`
}

func (c TargetAPI) faults() []Fault {
	return service("TARGET_API_URL", c.TargetAPIURL, "http://localhost:3000")
}

// Client is what the commands read that ask the target API: runs and partitions.
type Client struct {
	TargetAPI
	Log
}

// Validate reports every fault.
func (c *Client) Validate() error { return Join(c.TargetAPI.faults(), c.Log.faults()) }

// Verify is what `delfos verify` reads.
type Verify struct {
	SourceAPI
	TargetDB
	Log
}

// Validate reports every fault.
func (c *Verify) Validate() error {
	return Join(c.SourceAPI.faults(), c.TargetDB.faults(), c.Log.faults())
}
