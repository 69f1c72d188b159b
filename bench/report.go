package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is what goes into the results' file.
type report struct {
	options
	results  []result
	goBench  []string // the rows of the second table
	notes    notes
	postgres string
	peak     int64 // of this program
	missing  int   // lines that were not run
	begun    time.Time
}

func (r report) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Benchmark results\n\nWritten by `make bench`; edits are lost, but for those of [NOTES.md](NOTES.md).\n\n")
	fmt.Fprintf(&text, "- Date: %s\n", r.begun.UTC().Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(&text, "- Machine: %s\n", r.machine())
	if r.version != "" {
		fmt.Fprintf(&text, "- Delfos: %s\n", r.version)
	}
	fmt.Fprintf(&text, "- Rounds: %d, baseline and ours in turn; a rate is measured for %d s each time\n\n", r.rounds, r.seconds)
	text.WriteString("Medians, with least and most in brackets. Times are wall times of whole processes\n" +
		"(of the request, for the API); the target is made anew before each first load. The pipe\n" +
		"and what runs in place write into the replaced system's schema, with its foreign key;\n" +
		"after each ETL line both sides' values are compared, key by key: a mean or a deviation may\n" +
		"differ by " + strconv.FormatFloat(tolerance, 'g', -1, 64) + " of itself (or by " + strconv.FormatFloat(floor, 'g', -1, 64) + "), all else is equal.\n" +
		"Peak memory is resident memory of our processes, the most of all rounds; that of the\n" +
		"ETL can't come out below this program's own, " + mib(r.peak) + ".\n\n")
	text.WriteString("| line | work | against | baseline | ours | ratio | target | met | peak memory | beside the ratio |\n" +
		"|---|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range r.results {
		text.WriteString(l.row())
	}
	if r.missing > 0 {
		fmt.Fprintf(&text, "\nOther lines were not run: %d.\n", r.missing)
	}
	text.WriteString(r.notes.markdown(r.results))
	if len(r.goBench) > 0 {
		text.WriteString("\n## Go benchmarks\n\n`go test -bench . -benchmem`, one run each.\n\n" +
			"| package | benchmark | ns/op | B/op | allocs/op | other |\n|---|---|---|---|---|---|\n")
		for _, row := range r.goBench {
			text.WriteString(row)
		}
	}
	return text.String()
}

// machine is this computer in a line.
func (r report) machine() string {
	parts := []string{
		fmt.Sprintf("%d × %s", runtime.NumCPU(), valueIn("/proc/cpuinfo", "model name", runtime.GOARCH)),
		valueIn("/proc/meminfo", "MemTotal", "unknown") + " memory",
		runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(), "PostgreSQL " + r.postgres,
	}
	if r.note != "" {
		parts = append(parts, r.note)
	}
	return strings.Join(parts, ", ")
}

// valueIn is the first value under a key in one of the kernel's files.
func valueIn(file, key, otherwise string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

func (r result) row() string {
	head := fmt.Sprintf("| %s | %s | %s |", r.name, r.work, r.against)
	if r.err != nil {
		why := strings.NewReplacer("\n", " ", "|", "\\|").Replace(r.err.Error())
		return head + " | | | " + r.want() + " | failed | | " + why + " |\n"
	}
	met := "**no**"
	if r.met() {
		met = "yes"
	}
	further := ""
	if r.further != nil {
		further, _ = r.further(r.base, r.ours)
	}
	return fmt.Sprintf("%s %s | %s | %.2f | %s | %s | %s | %s |\n",
		head, r.spread(r.base), r.spread(r.ours), r.ratio(), r.want(), met, r.memory(), further)
}

func (r result) want() string {
	if r.rate {
		return fmt.Sprintf("≥ %g", r.target)
	}
	return fmt.Sprintf("≤ %g", r.target)
}

// memory is the peak of each process of ours.
func (r result) memory() string {
	served := "serve " + mib(r.apiPeak)
	if m := most(r.ours, peak); m > 0 && !r.fromAPI() {
		return "etl " + mib(m) + ", " + served
	}
	return served
}

// fromAPI says whether our side was the API alone.
func (r result) fromAPI() bool {
	return slices.ContainsFunc(r.ours, func(s sample) bool { return s.grown > 0 })
}

func (r result) spread(samples []sample) string {
	all := values(samples)
	return fmt.Sprintf("%s (%s–%s)", r.figure(median(all)), r.figure(slices.Min(all)), r.figure(slices.Max(all)))
}

// figure is a time in seconds, or a rate.
func (r result) figure(v float64) string {
	if r.rate {
		return fmt.Sprintf("%.0f/s", v)
	}
	return fmt.Sprintf("%.3f s", v)
}

// short is the line for whoever waits.
func (r result) short() string {
	if r.err != nil {
		return "failed: " + r.err.Error()
	}
	return fmt.Sprintf("%s against %s: ratio %.2f (%s), met: %t, %s",
		r.spread(r.ours), r.spread(r.base), r.ratio(), r.want(), r.met(), r.memory())
}

func mib(bytes int64) string { return fmt.Sprintf("%.0f MiB", float64(bytes)/mebibyte) }

// readGoBench makes rows of what go test -bench printed; a file named "" has none.
func readGoBench(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the Go benchmarks: %w", err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	var rows []string
	pkg := ""
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "pkg: github.com/delfos/delfos/"); ok {
			pkg = rest
		}
		// A name, a count of iterations, then pairs of a value and its unit.
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		figures, other := map[string]string{}, []string{}
		for i := 2; i < len(fields); i += 2 {
			switch value, unit := fields[i], fields[i+1]; unit {
			case "ns/op", "B/op", "allocs/op":
				figures[unit] = value
			default:
				other = append(other, value+" "+unit)
			}
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", pkg, strings.TrimPrefix(fields[0], "Benchmark"),
			figures["ns/op"], figures["B/op"], figures["allocs/op"], strings.Join(other, ", ")))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the Go benchmarks: %w", err)
	}
	return rows, nil
}
