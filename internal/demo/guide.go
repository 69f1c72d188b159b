package demo

import (
	"fmt"
	"strings"
	"time"
)

// query is how the clients of the replaced system read the target.
const query = `SELECT d.timestamp, s.name, d.value FROM data d JOIN signal s ON d.signal_id = s.id ` +
	`WHERE d.timestamp >= '2025-01-01' AND d.timestamp < '2025-01-02' ORDER BY d.timestamp, s.name LIMIT 20;`

// say prints a line. That nobody reads any more ends the demo.
func (s *system) say(format string, args ...any) error {
	s.printing.Lock()
	defer s.printing.Unlock()
	if _, err := fmt.Fprintf(s.Out, format+"\n", args...); err != nil {
		return fmt.Errorf("print what is going on: %w", err)
	}
	return nil
}

func (s *system) step(format string, args ...any) error {
	return s.say("%5.1fs  %s", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// guide is what to open and try. Each line works from another shell as it is.
func (s *system) guide(api, console string) string {
	var pages strings.Builder
	for _, page := range [...]struct{ address, what string }{
		{console + "/", "the console: how it stands with everything"},
		{console + "/?view=calendar", "the days: late data made one of them stale"},
		{console + "/?view=day&day=" + s.day(frozenDay).Format(time.DateOnly), fmt.Sprintf("the anemometer of turbine %d is frozen for half of this day", frozen)},
		{console + "/?view=power-curve", fmt.Sprintf("turbine %d is derated to 60 %%", derated)},
		{console + "/?view=energy", fmt.Sprintf("turbine %d has gaps", incomplete)},
		{api + "/docs", "the source API, to try out (/redoc: to read)"},
		{console + "/docs", "the target API, to try out"},
		{console + "/river/", "the queue's own pages"},
	} {
		fmt.Fprintf(&pages, "  %-49s  %s\n", page.address, page.what)
	}
	return fmt.Sprintf(`
Delfos is up after %.1f s. Open in a browser:

%s
Try in another shell:

  curl "%s/data?start=2025-01-01T00:00:00&end=2025-01-01T00:09:59"
  curl "%s/data?start=2025-01-01T12:00:00&end=2025-01-01T12:04:59&variables=wind_speed,power"
  psql %s -c "SELECT count(*), min(timestamp), max(timestamp) FROM data"
  psql %s -c "%s"
  %s etl 2025-01-02
  curl "%s/runs" -H "Content-Type: application/json" -d '{"from":"2025-01-01","to":"2025-01-10"}'
  %s partitions --from 2025-01-01 --to 2025-01-10

Ctrl-C ends it; the data stays in %s/.`,
		time.Since(s.begun).Seconds(), pages.String(), api, api,
		quote(s.source.url), quote(s.target.url), query, s.delfos(api, ""), console, s.delfos("", console), Dir)
}

// delfos is how a shell calls the program on the parts of this demo that are given, and its target.
func (s *system) delfos(api, console string) string {
	var set []string
	for _, v := range []struct{ name, value, usual string }{
		{"SOURCE_API_URL", api, "http://localhost:8000"},
		{"TARGET_API_URL", console, "http://localhost:3000"},
		{"TARGET_DB_URL", s.target.url, "postgres://delfos:delfos@localhost:5434/delfos?sslmode=disable"},
	} {
		if v.value != "" && v.value != v.usual {
			set = append(set, v.name+"="+quote(v.value)+" ")
		}
	}
	return strings.Join(set, "") + s.Delfos
}

// quote protects a word from a POSIX shell.
func quote(word string) string {
	if !strings.ContainsAny(word, "'$`\\!") {
		return `"` + strings.ReplaceAll(word, `"`, `\"`) + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
