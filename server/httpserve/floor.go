package httpserve

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Floor is how slowly a client may take an answer. Time counts only while a
// write waits for the client, so a slow database never cuts a reader off.
type Floor struct {
	Rate int64         // bytes a second; 64,000 when 0
	Over time.Duration // 90 s when 0: how long a client may take nothing at all
}

// ErrSlowReader is wrapped by the error of a write to a client that fell below
// the floor.
var ErrSlowReader = errors.New("the client reads too slowly")

// pace holds a client against the floor. A client begins with credit for the
// whole of Over, gains what it takes and loses what the floor asks for. So a
// client below the floor is cut off once it is 90 s behind, and a pause is
// forgiven to one that is faster.
type pace struct {
	floor  Floor
	most   float64 // bytes: the credit of a client that has never been slow
	credit float64 // bytes
	taken  int64
	waited time.Duration
}

func newPace(floor Floor) pace {
	floor = Floor{Rate: cmp.Or(floor.Rate, 64_000), Over: cmp.Or(floor.Over, 90*time.Second)}
	most := float64(floor.Rate) * floor.Over.Seconds()
	return pace{floor: floor, most: most, credit: most}
}

// patience is how long a write of so many bytes may wait: by then the client is
// below the floor even if it took all of them at the last moment.
func (p *pace) patience(bytes int) time.Duration {
	seconds := (p.credit + float64(bytes)) / float64(p.floor.Rate)
	return time.Duration(seconds * float64(time.Second))
}

// count adds a write in, and returns an error when the client is too slow.
func (p *pace) count(taken int, waited time.Duration) error {
	p.taken += int64(taken)
	p.waited += waited
	p.credit = min(p.credit-float64(p.floor.Rate)*waited.Seconds()+float64(taken), p.most)
	if p.credit >= 0 {
		return nil
	}
	return fmt.Errorf("%w: it took %d bytes while the server waited %s for it, and has to take %d a second",
		ErrSlowReader, p.taken, p.waited.Round(time.Millisecond), p.floor.Rate)
}
