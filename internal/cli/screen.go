package cli

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const barDelay = time.Second

// A screen is standard error, where log lines and one progress bar meet: a line takes the bar's place,
// and the bar comes back below it. Off a terminal there is no bar.
type screen struct {
	terminal bool

	mu  sync.Mutex
	w   io.Writer
	bar *progressbar.ProgressBar
}

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Write prints p, in place of the bar if there is one.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	return s.w.Write(p)
}

// progress follows work; what it counts is "bytes" or a plural such as "days". update is told how much
// is done, and of how much if that is known (else 0); the bar appears after a second, and end takes it
// away. Both may be called at any time.
func (s *screen) progress(title, unit string) (update func(done, total int64), end func()) {
	if !s.terminal {
		return func(int64, int64) {}, func() {}
	}
	begin, over := time.Now(), false
	update = func(done, total int64) {
		if time.Since(begin) < barDelay {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if over {
			return
		}
		if s.bar == nil {
			s.bar = newBar(s.w, title, unit, total)
		}
		// The work goes on when the bar can't be drawn.
		_ = s.bar.Set64(done)
	}
	end = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
		if s.bar != nil {
			_ = s.bar.Clear()
			_ = s.bar.Exit()
			s.bar = nil
		}
	}
	return update, end
}

func newBar(w io.Writer, title, unit string, total int64) *progressbar.ProgressBar {
	if total <= 0 {
		total = -1
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(title),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(65 * time.Millisecond),
		progressbar.OptionShowCount(),
		progressbar.OptionSetSpinnerChangeInterval(0),
	}
	if unit == "bytes" {
		options = append(options, progressbar.OptionShowBytes(true))
	} else {
		options = append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
	}
	return progressbar.NewOptions64(total, options...)
}
