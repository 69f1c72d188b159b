package httpserve

import (
	"errors"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	t.Parallel()
	const chunk = 48 << 10
	tests := []struct {
		name   string
		rate   int           // bytes a second at which the client takes what is written
		after  time.Duration // a pause of the client's before
		cutBy  time.Duration // 0: never
		notFor time.Duration // it has to be served as long as this
	}{
		{name: "nothing after the start", rate: 1, cutBy: 92 * time.Second, notFor: 90 * time.Second},
		{name: "20 kB/s", rate: 20_000, cutBy: 135 * time.Second, notFor: 90 * time.Second},
		{name: "60 kB/s", rate: 60_000, cutBy: 30 * time.Minute, notFor: 10 * time.Minute},
		{name: "the floor", rate: 64_000, notFor: 24 * time.Hour},
		{name: "300 kB/s", rate: 300_000, notFor: 24 * time.Hour},
		{name: "300 kB/s after a pause", rate: 300_000, after: 80 * time.Second, notFor: time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPace(Floor{})
			var err error
			if tt.after > 0 {
				err = p.count(chunk, tt.after)
			}
			for err == nil && p.waited < tt.notFor+tt.cutBy {
				wait := time.Duration(float64(chunk) / float64(tt.rate) * float64(time.Second))
				if most := p.patience(chunk); wait > most {
					// The deadline ends the write, of which a part was taken.
					err = p.count(int(float64(tt.rate)*most.Seconds()), most)
					continue
				}
				err = p.count(chunk, wait)
			}
			switch {
			case p.waited < tt.notFor:
				t.Errorf("cut off after %s: %v", p.waited, err)
			case tt.cutBy == 0 && err != nil:
				t.Errorf("cut off after %s: %v", p.waited, err)
			case tt.cutBy > 0 && (!errors.Is(err, ErrSlowReader) || p.waited > tt.cutBy):
				t.Errorf("served for %s, then %v; want it cut off within %s", p.waited, err, tt.cutBy)
			}
		})
	}
}

// Writes that wait for nobody cost no credit, however long the answer takes.
func TestPaceOfASlowDatabase(t *testing.T) {
	t.Parallel()
	p := newPace(Floor{})
	for range 1_000_000 { // each after a long query
		if err := p.count(10, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := p.patience(0), 90*time.Second; got != want {
		t.Errorf("the patience is %s, want %s", got, want)
	}
}
