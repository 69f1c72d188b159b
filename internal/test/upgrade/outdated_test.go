package upgrade_test

import (
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
)

// What was started before the schemas were applied says which one is missing, and the
// command that mends it: the commands in one sentence, the APIs by 503.
func TestOutdated(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.serve(t)
	apitest.WantUnavailable(t, f.api.Get("/ready"), "source database", "sample_interval", "`delfos schema apply source`")
	apitest.WantUnavailable(t, f.console.Get("/ready"), "target database", "settings", "`delfos schema apply target`")
	for _, path := range []string{"/turbines", "/data/changes"} {
		apitest.WantUnavailable(t, f.api.Get(path), "`delfos schema apply source`")
	}
	for _, path := range []string{"/runs", "/schedule", "/partitions?from=2025-01-01&to=2025-01-02"} {
		apitest.WantUnavailable(t, f.console.Get(path), "`delfos schema apply target`")
	}
	for line, want := range map[string]string{
		"delfos etl 2025-01-04":                   "`delfos schema apply target`",
		"delfos prune target --before 2025-01-02": "`delfos schema apply target`",
		"delfos runs list":                        "`delfos schema apply target`",
		"delfos turbine list":                     "`delfos schema apply source`",
		"delfos seed --days 1":                    "`delfos schema apply source`",
	} {
		code, _, stderr := f.program(t, line, nil)
		if said := lastLine(stderr); code != 1 || !strings.HasPrefix(said, "delfos: ") || strings.Count(said, want) != 1 {
			t.Errorf("%s: exit code %d, %q; want %s", line, code, said, want)
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
