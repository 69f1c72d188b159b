package etl

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgcopy"
	"github.com/delfos/delfos/internal/pghash"
	"github.com/delfos/delfos/internal/timestamp"
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
func digestOf(turbine int32, at int64, readings []float64) int64 {
	var h rowHash
	h.int32(turbine)
	h.timestamp(at)
	for _, reading := range readings {
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

// dayDigest is what the source says of a whole day, without its rows.
type dayDigest struct{ digest, samples int64 }

// digest asks for the day's digest over all turbines; nil when the API has none
// to give, as an older one.
func (s *source) digest(ctx context.Context, day time.Time) (*dayDigest, error) {
	d, err := try(ctx, s.retry, s.log, func() (*dayDigest, error) {
		response, err := s.client.GetDataDigest(ctx, &sourceapi.GetDataDigestParams{
			Start: timestamp.New(day), End: timestamp.New(day.AddDate(0, 0, 1).Add(-time.Microsecond)),
		}, identity("application/json"))
		if err != nil {
			return nil, away(ctx, err)
		}
		defer func() { _ = response.Body.Close() }()
		switch response.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound:
			return nil, nil //nolint:nilnil // there is no digest, which is no error
		default:
			return nil, s.refusal(response)
		}
		body, err := whole(response)
		if err != nil {
			return nil, err
		}
		var lines []sourceapi.Digest
		if err := json.Unmarshal(body, &lines); err != nil {
			return nil, fmt.Errorf("%w: %w", errBroken, err)
		}
		var d dayDigest
		for _, line := range lines {
			hash, err := strconv.ParseUint(line.Digest, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("digest of turbine %d: %w", line.TurbineId, err)
			}
			d.digest ^= int64(hash)
			d.samples += line.Samples
		}
		return &d, nil
	})
	if err != nil {
		return nil, fmt.Errorf("digest of the source: %w", err)
	}
	return d, nil
}

// unchanged returns the ledger's row of the day when neither source nor target
// has changed since it was written: both digests must match, for somebody may
// have emptied data by hand. Nil: the day has to be extracted.
func (j *Job) unchanged(ctx context.Context, c *claim, held targetdb.DigestValuesRow) (*targetdb.Partition, error) {
	p, err := targetdb.New(c.conn).ReadPartition(ctx, c.day)
	if err != nil {
		return nil, fmt.Errorf("read the partition: %w", err)
	}
	loaded := p.Outcome != nil && *p.Outcome == string(Done) &&
		p.SourceDigest != nil && p.TargetDigest != nil && p.Samples != nil && p.Windows != nil
	if !loaded || *p.TargetDigest != held.Digest || p.Rows != held.Rows {
		return nil, nil //nolint:nilnil // nothing to keep, which is no error
	}
	d, err := j.source.digest(ctx, c.day)
	if err != nil || d == nil || d.digest != *p.SourceDigest || d.samples != *p.Samples {
		return nil, err
	}
	return &p, nil
}

// confirm settles a day that has not changed, without a value read or written.
func (c *claim) confirm(ctx context.Context, tx pgx.Tx, kept *targetdb.Partition, expected int64, p *Partition) error {
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
