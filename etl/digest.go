package etl

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/source"
	"github.com/delfos/delfos/internal/pgcopy"
	"github.com/delfos/delfos/internal/pghash"
)

// rowHash is pghash.Record for values that are not in PostgreSQL's binary
// format yet; at is in microseconds of Unix time.
type rowHash struct{ pghash.Record }

func (h *rowHash) int32(v int32) {
	var raw [4]byte
	binary.BigEndian.PutUint32(raw[:], uint32(v))
	h.Int32(raw[:])
}

func (h *rowHash) timestamp(at int64) {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(at-pgcopy.Epoch))
	h.Timestamp(raw[:])
}

func (h *rowHash) float64(v float64) {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], math.Float64bits(v))
	h.Float64(raw[:])
}

// digestOf hashes a sample as the source's database does for GET /data/digest,
// where a day's digest is the exclusive or of its samples' hashes.
func digestOf(s *source.Sample) int64 {
	var h rowHash
	h.int32(s.Turbine)
	h.timestamp(s.At)
	for _, reading := range s.Readings {
		if math.IsNaN(reading) {
			h.Float64(nil)
		} else {
			h.float64(reading)
		}
	}
	return int64(h.Record)
}

// hash is that of the row of the target's data, as DigestValues has it.
func (v value) hash() int64 {
	var h rowHash
	h.int32(v.turbine)
	h.int32(v.signal)
	h.timestamp(v.at)
	h.float64(v.value)
	return int64(h.Record)
}

// loaded tells whether the ledger has digests of a day, by which a rerun may
// find that there is nothing to do.
func (c *claim) loaded() bool {
	t := c.taken
	return !c.subset && t.Outcome == string(Done) &&
		t.SourceDigest != nil && t.TargetDigest != nil && t.Samples != nil && t.Windows != nil
}

// unchanged tells whether neither source nor target has changed since the
// ledger's row of a loaded day was written. Both digests must match, for
// somebody may have emptied data by hand.
func (c *claim) unchanged(ctx context.Context, l *loader, digest func() (dayDigest, error)) (bool, error) {
	held, err := l.digest(ctx)
	if err != nil || held.Digest != *c.taken.TargetDigest || held.Rows != c.taken.Rows {
		return false, err
	}
	d, err := digest()
	if errors.Is(err, source.ErrNoDigests) {
		return false, nil
	}
	return err == nil && d == dayDigest{*c.taken.SourceDigest, *c.taken.Samples}, err
}

// confirm settles a day that has not changed, without a value read or written.
func (c *claim) confirm(ctx context.Context, tx pgx.Tx, expected int64, p *Partition) error {
	kept := c.taken
	r := result{
		outcome: Done, samples: *kept.Samples, expected: expected, windows: *kept.Windows,
		source: kept.SourceDigest, rows: kept.Rows, digest: *kept.TargetDigest,
	}
	if err := c.commit(ctx, tx, r); err != nil {
		return err
	}
	p.Outcome, p.Samples, p.Expected, p.Windows, p.Rows = Done, r.samples, r.expected, r.windows, r.rows
	return nil
}
