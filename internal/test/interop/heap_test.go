package interop_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/cli"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/stream"
)

// programArgs are the arguments by which this process is to be the program
// itself, separated by blanks.
const programArgs = "DELFOS_TEST_PROGRAM_ARGS"

// program is the whole program, as main runs it.
func program(args string) int {
	return cli.Main(context.Background(), cli.Program{
		Path: os.Args[0], Args: strings.Fields(args), Environ: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
}

// heapDays are enough to tell a heap that grows; a year says so more slowly.
var heapDays = flag.Int("heap-days", 120, "how many days TestHeapIsFlat exports")

const (
	// heapGrowth is by how many MiB the live heap may be larger in the second
	// half of an export than in the first, and heapMost how large it may ever
	// be. The rows of 120 days alone are 5 MiB as numbers, and 17 MiB as JSON.
	heapGrowth, heapMost = 2, 12
)

// TestHeapIsFlat exports months in each format from a process of its own under
// GODEBUG=gctrace=1, and looks at what the collector finds alive as the export
// proceeds. As most formats leave no garbage behind, the collector would not
// even run: GOGC=1 and probes beside the export make it.
//
//	go test -v -run TestHeapIsFlat ./internal/test/interop -heap-days 365
func TestHeapIsFlat(t *testing.T) {
	t.Parallel()
	rows := *heapDays * 24 * 60
	database := pgtest.Source(t)
	pgtest.Fill(t, pgtest.Pool(t, database), `INSERT INTO data
		SELECT 1, '2025-01-01Z'::timestamptz + i * interval '1 min', 12 + 12 * sin(i), 2000 * sin(i * 1.1), i % 400 / 10.0
		FROM generate_series(0, $1::integer - 1) AS i`, rows)
	for _, format := range stream.Formats() {
		t.Run(format.Name, func(t *testing.T) {
			t.Parallel()
			s := startTraced(t, database)
			path := "/data?start=2025-01-01&format=" + format.Name + "&end="
			tenth := s.export(t, path+time.Date(2025, 1, 1, 0, rows/10-1, 59, 0, time.UTC).Format(time.RFC3339), rows/10, math.MaxInt64)
			s.mark()
			size := s.export(t, path+"2025-12-31T23:59:59.999999Z", rows, tenth/10)
			live, before := s.stop(t)
			if len(live) < 10 {
				t.Fatalf("the collector ran %d times, want 10 at least: %v", len(live), live)
			}
			first, second := slices.Max(live[:len(live)/2]), slices.Max(live[len(live)/2:])
			var tenths []int
			for tenth := range slices.Chunk(live, (len(live)+9)/10) {
				tenths = append(tenths, slices.Max(tenth))
			}
			t.Logf("%d rows, %d bytes, %d collections after %d; most alive in each tenth of them, in MiB: %v",
				rows, size, len(live), before, tenths)
			if second > first+heapGrowth || max(first, second) > heapMost {
				t.Errorf("the live heap grows from %d to %d MiB, want %d more at most, and no more than %d: %v", first, second, heapGrowth, heapMost, live)
			}
		})
	}
}

// traced is `delfos serve` under the collector's trace.
type traced struct {
	cmd    *exec.Cmd
	url    string
	client *http.Client

	mu    sync.Mutex
	trace bytes.Buffer // standard error
	begun int          // how much of it there was at mark
}

// Write implements io.Writer for the process's standard error.
func (s *traced) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trace.Write(b)
}

// address is where the process says that it serves, "" before it does.
func (s *traced) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := regexp.MustCompile(`serving the source API" addr=(\S+)`).FindSubmatch(s.trace.Bytes())
	if found == nil {
		return ""
	}
	return string(found[1])
}

func startTraced(t *testing.T, database string) *traced {
	t.Helper()
	// A small buffer: the export is under way until it is read.
	transport := &http.Transport{DisableCompression: true, DialContext: dialNarrow}
	t.Cleanup(transport.CloseIdleConnections)
	s := &traced{cmd: exec.CommandContext(t.Context(), os.Args[0]), url: "http://", client: &http.Client{Transport: transport}}
	s.cmd.Dir = t.TempDir() // without an .env
	s.cmd.Env = append(os.Environ(), programArgs+"=serve", "SOURCE_DB_URL="+database, "API_ADDR=127.0.0.1:0",
		"LOG_LEVEL=info", "LOG_FORMAT=text", "GODEBUG=gctrace=1", "GOGC=1")
	s.cmd.Stderr = s
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	limit, tick := time.After(5*time.Minute), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for s.url == "http://" || !s.probe(t, "/ready") {
		select {
		case <-limit:
			t.Fatal("the server doesn't come up")
		case <-tick.C:
			s.url = "http://" + s.address()
		}
	}
	return s
}

// probe asks for a path and says whether that went well.
func (s *traced) probe(t *testing.T, path string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", strings.Repeat("x", 32<<10)) // garbage
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
}

// mark ends what stop counts as before.
func (s *traced) mark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = s.trace.Len()
}

// export reads an answer and sends some probes after each part of it.
func (s *traced) export(t *testing.T, path string, want int, part int64) (size int64) {
	t.Helper()
	const probes = 2
	resp, err := s.client.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for {
		n, err := io.CopyN(io.Discard, resp.Body, part)
		size += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read %s after %d bytes: %v", path, size, err)
		}
		for range probes {
			if !s.probe(t, "/health") {
				t.Fatal("a probe fails")
			}
		}
	}
	if rows := resp.Trailer.Get("Delfos-Rows"); resp.StatusCode != http.StatusOK || rows != strconv.Itoa(want) {
		t.Fatalf("got %s and %s rows, want %d", resp.Status, rows, want)
	}
	return size
}

// stop ends the process and returns what each collection since mark found
// alive, in MiB, and how many there were before.
func (s *traced) stop(t *testing.T) (live []int, before int) {
	t.Helper()
	if err := errors.Join(s.cmd.Process.Signal(syscall.SIGTERM), s.cmd.Wait()); err != nil {
		t.Fatalf("the server ends by %v: %s", err, s.trace.String())
	}
	lines := regexp.MustCompile(`^gc \d+ @.* \d+->\d+->(\d+) MB, `)
	read := 0
	for line := range strings.Lines(s.trace.String()) {
		if found := lines.FindStringSubmatch(line); found != nil && read >= s.begun {
			n, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			live = append(live, n)
		} else if found != nil {
			before++
		}
		read += len(line)
	}
	return live, before
}
