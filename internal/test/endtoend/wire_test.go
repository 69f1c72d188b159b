package endtoend_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// wire passes bytes between the job and the target's server, until it is cut.
type wire struct {
	address string
	ln      net.Listener

	mu       sync.Mutex
	conns    map[net.Conn]bool
	down     bool
	onCommit func() fate
}

// fate is what becomes of a COMMIT.
type fate int

const (
	lost       fate = iota // the server never sees it
	unanswered             // the server does it, and its answer is lost
)

func newWire(t *testing.T, databaseURL string) (w *wire, through string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w = &wire{address: u.Host, ln: ln, conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.carry(client) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		w.cut(true)
		serving.Wait()
	})
	u.Host = ln.Addr().String()
	return w, u.String()
}

func (w *wire) add(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		_ = c.Close()
		return false
	}
	w.conns[c] = true
	return true
}

// cut breaks all connections; while down, it refuses new ones.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

// atCommit sets what happens, once, to the next COMMIT.
func (w *wire) atCommit(f func() fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onCommit = f
}

func (w *wire) takeCommit() (f func() fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, w.onCommit = w.onCommit, nil
	return f
}

func (w *wire) carry(client net.Conn) {
	if !w.add(client) {
		return
	}
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", w.address)
	if err != nil || !w.add(server) {
		return
	}
	var back sync.WaitGroup
	var deaf atomic.Bool
	back.Go(func() {
		_, _ = io.Copy(writer(func(b []byte) (int, error) {
			if deaf.Load() {
				return 0, net.ErrClosed
			}
			return client.Write(b)
		}), server)
		_ = client.Close()
	})
	defer back.Wait()
	defer func() { _ = server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		// The simple query that pgx sends for Tx.Commit.
		if bytes.Contains(buffer[:n], []byte("commit\x00")) {
			if f := w.takeCommit(); f != nil {
				switch f() {
				case lost:
					return
				case unanswered:
					deaf.Store(true)
				}
			}
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// writer is an io.Writer by a function.
type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestAnswerToCommitIsLost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fate fate
		done bool
	}{
		"it was done": {unanswered, true},
		"it was not":  {lost, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seed(t, 1, 1)
			w, through := newWire(t, s.targetURL)
			job := s.newJob(t, through)
			var reached atomic.Bool // the first COMMIT is of the load
			w.atCommit(func() fate {
				reached.Store(true)
				return tt.fate
			})
			got, err := job.Run(t.Context(), request(1))
			if !reached.Load() {
				t.Error("nothing was committed by COMMIT")
			}
			held := len(s.values(t))
			if tt.done && (err != nil || got.Done != 1 || held != 2160) {
				t.Errorf("got %v, %d done, %d values; want no error, 1, 2160", err, got.Done, held)
			}
			if !tt.done && (err == nil || got.Failed != 1 || held != 0) {
				t.Errorf("got %v, %d failed, %d values; want an error, 1, 0", err, got.Failed, held)
			}
			s.noOverlap(t)
			s.run(t, 1)
			near(t, s.values(t), s.expected(t))
		})
	}
}

func TestTargetGoneInTheMiddle(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, twoGroups)
	w, through := newWire(t, s.targetURL)
	job := s.newJob(t, through)
	held, reached, release := hold()
	s.gateway.spoil(pass, held)
	go func() {
		<-reached
		w.cut(true)
		close(release)
	}()
	got, err := job.Run(t.Context(), request(2))
	if err == nil || got.Failed != 1 || len(got.Partitions) != 1 {
		t.Fatalf("run: got %v, %d failed, %d partitions; want an error, 1, 1", err, got.Failed, len(got.Partitions))
	}
	if n := len(s.values(t)); n != 0 {
		t.Errorf("values: got %d, want none", n)
	}
	w.cut(false)
	if got, err := job.Run(t.Context(), request(2)); err != nil || got.Done != 2 {
		t.Errorf("run with the target back: got %d done, %v, want 2", got.Done, err)
	}
	near(t, s.values(t), s.expected(t))
}

// TestTargetBackAtOnce cuts all connections once: the ledger is told by another.
func TestTargetBackAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, twoGroups)
	w, through := newWire(t, s.targetURL)
	job := s.newJob(t, through)
	held, reached, release := hold()
	s.gateway.spoil(pass, held)
	go func() {
		<-reached
		w.cut(true)
		go w.cut(false)
		close(release)
	}()
	got, err := job.Run(t.Context(), request(2))
	if err == nil || got.Failed == 0 {
		t.Errorf("run: got %v, %d failed, want an error and 1", err, got.Failed)
	}
	if outcome := pgtest.Query[string](t, s.target, "SELECT outcome FROM partition WHERE day = '2025-01-01'"); outcome != "failed" {
		t.Errorf("ledger: got %s, want failed", outcome)
	}
	s.noOverlap(t)
	s.run(t, 2)
	near(t, s.values(t), s.expected(t))
}
