package server

import (
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// maxRemembered bounds how many readings are remembered, and maxQuery how long
// the text of their query may be: a megabyte or two in all.
const (
	maxRemembered = 4096
	maxQuery      = 256
)

// memory holds the readings that were computed last, for as long as nothing is
// committed to the database: a client that asks again whether its answer is
// still true costs no second look at the rows.
//
// That they hold is PostgreSQL's word. A snapshot's text says which transactions
// are seen: the next number to be given, and those below it that are still
// open. An open one leaves that list when it ends, and numbers only grow, so two
// equal texts mean that no transaction that writes has ended in between, in any
// database of the server. Only a crash may give the number of a lost transaction
// again (synchronous_commit = off), and another server has numbers of its own,
// but neither keeps a session: what was remembered is forgotten when a session
// is used that is new.
type memory struct {
	mu         sync.Mutex
	generation uint64 // grows with each new session
	snapshot   string // in which readings hold
	readings   map[string]reading
}

// sessionKey marks a connection that memory has met.
const sessionKey = "delfos.memory"

// meet is called with a session before anything is asked by it. Its result goes
// to keep.
func (m *memory) meet(conn *pgx.Conn) uint64 {
	data := conn.PgConn().CustomData()
	_, known := data[sessionKey]
	data[sessionKey] = true
	m.mu.Lock()
	defer m.mu.Unlock()
	if !known {
		m.generation++
		m.forget("")
	}
	return m.generation
}

// recall returns what the rows of q come to in a snapshot, if that is known.
func (m *memory) recall(q query, snapshot string) (reading, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if snapshot != m.snapshot {
		return reading{}, false
	}
	got, ok := m.readings[q.String()]
	return got, ok
}

// keep remembers what the rows of q came to in a snapshot, "" if that has no
// text. What a session says that was met in an earlier generation is dropped.
func (m *memory) keep(generation uint64, q query, snapshot string, got reading) {
	text := q.String()
	if snapshot == "" || len(text) > maxQuery {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if generation != m.generation {
		return
	}
	if snapshot != m.snapshot || len(m.readings) >= maxRemembered {
		m.forget(snapshot)
	}
	m.readings[text] = got
}

// forget begins anew with a snapshot.
func (m *memory) forget(snapshot string) {
	m.snapshot, m.readings = snapshot, make(map[string]reading)
}

// String is the same for queries that the same rows answer.
func (q query) String() string {
	turbines, after := "", key{}
	if q.turbines != nil {
		turbines = q.turbines.String()
	}
	if q.after != nil {
		after = *q.after
	}
	return fmt.Sprintf("%d %d %d %d %d %s", q.start.UnixMicro(), q.stop.UnixMicro(), q.limit, after.turbine, after.micros, turbines)
}
