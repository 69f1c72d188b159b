package localpg

func Candidates(patterns []string) []string { return candidates(patterns) }

func UsualPlaces() []string { return usualPlaces() }

// Settings are the server's for a configuration and a port.
func Settings(c Config, port int) []string { return c.settings(port) }
