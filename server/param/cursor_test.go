package param_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/server/param"
)

// question is one that cursors of the tests belong to.
func question(t *testing.T, turbines string) param.Span {
	t.Helper()
	q := param.Span{
		Start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		End:   time.Date(2025, 1, 1, 23, 59, 59, 0, time.UTC),
	}
	if turbines != "" {
		set, err := selector.Parse(turbines)
		if err != nil {
			t.Fatal(err)
		}
		q.Turbines = &set
	}
	return q
}

func TestCursor(t *testing.T) {
	t.Parallel()
	q := question(t, "1-50,80")
	want := param.Key{Turbine: 1, Micros: q.Start.Add(999 * time.Minute).UnixMicro()}
	text := want.Cursor(q, "")
	// It may change with the version alone.
	if example := "AgAAAAEABiqnrsAxAAAAAACiKXViio9y0Q"; text != example {
		t.Errorf("the cursor is %s, was %s", text, example)
	}
	if got, err := param.ParseCursor(&text, q, ""); err != nil || *got != want || param.Cursor(text) != "" {
		t.Errorf("read back it is %v, %v", got, err)
	}
	if got, err := param.ParseCursor(nil, q, ""); err != nil || got != nil {
		t.Errorf("without a cursor: got %v, %v", got, err)
	}
	if _, err := param.ParseCursor(&text, q, "wide"); err == nil {
		t.Error("another question takes it")
	}

	same := question(t, "80,1-25,26-50")
	if _, err := param.ParseCursor(&text, same, ""); err != nil {
		t.Error("the same turbines in other words refuse it")
	}
	for name, other := range map[string]func(*param.Span){
		"start":        func(q *param.Span) { q.Start = q.Start.Add(-time.Microsecond) },
		"end":          func(q *param.Span) { q.End = q.End.Add(time.Microsecond) },
		"turbines":     func(q *param.Span) { *q = question(t, "1-50") },
		"no selection": func(q *param.Span) { *q = question(t, "") },
	} {
		foreign := q
		other(&foreign)
		if k, err := param.ParseCursor(&text, foreign, ""); err == nil {
			t.Errorf("with another %s it is taken for %v", name, k)
		}
	}

	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ "
	for i := range text {
		for _, digit := range digits {
			if tampered := text[:i] + string(digit) + text[i+1:]; tampered != text {
				if k, err := param.ParseCursor(&tampered, q, ""); err == nil {
					t.Errorf("%s is taken for %v", tampered, k)
				}
			}
		}
		if _, err := param.ParseCursor(new(text[:i]), q, ""); err == nil {
			t.Errorf("cut to %s it is taken", text[:i])
		}
	}

	// Whoever makes the sum right still gets nothing from outside the range.
	for _, forged := range []param.Key{
		{Micros: want.Micros},
		{Turbine: -1, Micros: want.Micros},
		{Turbine: 1, Micros: q.Start.UnixMicro() - 1},
		{Turbine: 1, Micros: q.End.UnixMicro() + 1},
		{Turbine: 1, Micros: -1 << 63},
	} {
		if _, err := param.ParseCursor(new(forged.Cursor(q, "")), q, ""); err == nil {
			t.Errorf("a forged %v is taken", forged)
		}
	}
	later, _ := base64.RawURLEncoding.DecodeString(text)
	later[0]++
	if param.Cursor(base64.RawURLEncoding.EncodeToString(later)) == "" {
		t.Error("a cursor of another version is taken")
	}
}

func FuzzCursor(f *testing.F) {
	span := param.Span{Start: time.UnixMicro(0), End: time.UnixMicro(1 << 50)}
	f.Add(param.Key{Turbine: 1, Micros: 60_000_000}.Cursor(span, "wide"))
	f.Add("AgAAAAEABiqnrsAxAAAAAACiKXViio9y0Q")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := param.ParseCursor(&text, span, "wide")
		if err == nil && (k.Cursor(span, "wide") != text || param.Cursor(text) != "" || k.Turbine < 1 || k.Micros < 0) {
			t.Errorf("%q is taken for %v", text, k)
		}
	})
}
