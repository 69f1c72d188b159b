package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestReadme runs every curl, psql and bin/delfos line of README.md, in order
// and as it stands but for the ports, beside a demo.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`"timestamp":"2025-01-01T23:59:00Z"`, // curl: a day
		`"power":`,
		`"turbine_id":1`,
		`"name":"Turbine 1"`,
		"2025-01-01T00:10:00Z,4.716,90.612,0.918",
		`"digest":"`,
		`"complete":false`,
		`"timestamp":"2025-01-01T00:59:00Z"`,
		`"timestamp":"2025-01-01T01:00:00Z"`,
		"Content-Digest: sha-256=", // a trailer
		"start must not be later than end",
		"2024-12-31 21:00:00-03 | ambient_temperature_count", // psql: the statistics, whatever the session's zone
		"2025-01-10 | done",
		"UPDATE 1",
		"DELETE 1",
		"12 to write (0 new, 12 changed, 0 removed)",
		"12 written (0 new, 12 changed, 0 removed)",
		`"written":0`,
		"DELETE 1",
		"2025-01-07  done       5759 samples",
		"no day that is loaded has changed",
		"turbine 1 changed: rotor_diameter unknown to 82, hub_height unknown to 80, commissioned unknown to 2009-03-01",
		"CUT IN (m/s)",
		`"state":"done"`, // the orchestrator
		"2025-01",
		`"now":"`,
		`"dry_run":true`,
		`"partitions":10`,
		`"id":1`,
		`"id":1`,
		`"id":1`,
		"10 done",
		"backfill",
		"UPDATE 1",
		"1 done",
		"10 days",
		"samples to remove",
		"2 days before 2025-01-03",
		"2025-01-01T00:50:00Z",
		"2024-12-31T23:00:00Z",
		`"curves":[{"bins":[{`,
		`"wind_speed_size":`,
		"turbine_id,lower,upper,count,turbulence",
		"turbine_id,month,hour,mean,count",
		"WIND SPEED (m/s)",
		"Weibull A",
		`"coverage":1`,
		"turbine_id,period,",
		"EXPECTED",
		"CAPACITY FACTOR",
	}
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for line := range strings.Lines(block[1]) {
			if regexp.MustCompile(`^(curl|psql|bin/delfos) `).MatchString(line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) != len(want) {
		t.Fatalf("README.md has %d lines to run, want %d:\n%s", len(lines), len(want), strings.Join(lines, ""))
	}

	in := newInstallation(t)
	in.source = strings.NewReplacer("me:it's%20secret", "delfos:delfos", "/wind", "/delfos").Replace(in.source)
	in.initialised(t, "source", "target")
	demo := in.start(t, "demo")
	demo.await(up)
	if err := os.Symlink(in.bin, filepath.Join(in.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	ports := strings.NewReplacer(":8000", ":"+port(in.ports[0]), ":5433", ":"+port(in.ports[1]), ":5434", ":"+port(in.ports[2]), ":3000", ":"+port(in.console))
	for i, line := range lines {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", ports.Replace(line))
		cmd.Dir = in.dir
		cmd.Env = slices.Concat(in.command(t.Context()).Env, []string{"SOURCE_API_URL=http://" + in.api, "TARGET_API_URL=http://" + in.console, "PAGER=cat", "PGTZ=America/Sao_Paulo"})
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want[i]) {
			t.Errorf("%s: got %v and\n%.2000s\nwant %q in it", strings.TrimSpace(line), err, out, want[i])
		}
	}
	demo.signal(syscall.SIGINT)
	demo.exit(0)
	in.nothingLeft(t)
}
