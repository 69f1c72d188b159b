package etl

import (
	"context"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/pgrow"
)

// digestOf hashes a sample as the source's database does for GET /data/digest,
// where a day's digest is the exclusive or of its samples' hashes.
func digestOf(s *extract.Sample) int64 {
	var h pgrow.Hash
	h.Int32(s.Turbine)
	h.Timestamp(pgrow.Micros(s.At))
	for _, reading := range s.Readings {
		if math.IsNaN(reading) {
			h.Null()
		} else {
			h.Float64(reading)
		}
	}
	return int64(h)
}

// loaded tells whether the ledger has digests of a day, by which a rerun may
// find that there is nothing to do.
func (c *claim) loaded() bool {
	t := c.taken
	return !c.subset && t.Outcome != nil && *t.Outcome == enum.OutcomeDone &&
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
	if errors.Is(err, extract.ErrNoDigests) {
		return false, nil
	}
	return err == nil && d == dayDigest{*c.taken.SourceDigest, *c.taken.Samples}, err
}

// confirm settles a day that has not changed, without a value read or written.
func (c *claim) confirm(ctx context.Context, tx pgx.Tx, expected int64, p *Partition) error {
	kept := c.taken
	r := result{
		outcome: enum.OutcomeDone, samples: *kept.Samples, expected: expected, windows: *kept.Windows,
		source: kept.SourceDigest, rows: kept.Rows, digest: *kept.TargetDigest,
	}
	if err := c.commit(ctx, tx, r); err != nil {
		return err
	}
	p.Outcome, p.Samples, p.Expected, p.Windows, p.Rows = enum.OutcomeDone, r.samples, r.expected, r.windows, r.rows
	return nil
}
