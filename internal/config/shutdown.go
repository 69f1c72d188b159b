package config

import "time"

// Shutdown says how a server ends.
type Shutdown struct {
	ShutdownDelay Duration `env:"SHUTDOWN_DELAY" envDefault:"0" help:"how long requests are still taken after the order to stop, while /ready says no" kind:"TIME"`
}

func (c Shutdown) faults() []Fault { return c.ShutdownDelay.faults("SHUTDOWN_DELAY") }

// A Duration is a time as it was given, 0 or more.
type Duration string

// Time is the duration; 0 of what Validate refuses.
func (d Duration) Time() time.Duration {
	t, err := time.ParseDuration(string(d))
	if err != nil {
		return 0
	}
	return t
}

func (d Duration) faults(variable string) []Fault {
	if t, err := time.ParseDuration(string(d)); err == nil && t >= 0 {
		return nil
	}
	return []Fault{{Variable: variable, Value: string(d), Want: "a time such as 10s, or 0"}}
}

// Side says from where a server is asked whether it is well.
type Side struct {
	HealthcheckFrom string `env:"HEALTHCHECK_FROM" envDefault:"inside" help:"inside asks a server where it listens; outside, as in the image, by an address that other machines can use" kind:"SIDE"`
}

// Outside asks by an address that other machines can use.
const Outside = "outside"

func (c Side) faults() []Fault {
	if c.HealthcheckFrom == Outside || c.HealthcheckFrom == "inside" {
		return nil
	}
	return []Fault{{Variable: "HEALTHCHECK_FROM", Value: c.HealthcheckFrom, Want: "one of inside, outside"}}
}
