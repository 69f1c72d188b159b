package target

import (
	"testing"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
)

func TestPeriod(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		step            targetapi.Step
		zone            string
		at, start, stop string
	}{
		{"10m", "UTC", "2025-01-01T00:19:59", "2025-01-01T00:10:00", "2025-01-01T00:20:00"},
		{"1h", "UTC", "2025-01-01T00:50:00", "2025-01-01T00:00:00", "2025-01-01T01:00:00"},
		{"1h", "UTC", "0001-01-01T00:50:00", "0001-01-01T00:00:00", "0001-01-01T01:00:00"},
		{"1h", "Asia/Kolkata", "2025-01-01T00:20:00", "2024-12-31T23:30:00", "2025-01-01T00:30:00"},
		{"6h", "Asia/Kolkata", "2025-01-01T00:20:00", "2024-12-31T18:30:00", "2025-01-01T00:30:00"},
		{"1d", "Asia/Kolkata", "2025-01-01T00:20:00", "2024-12-31T18:30:00", "2025-01-01T18:30:00"},
		{"1mo", "Asia/Kolkata", "2024-02-29T18:20:00", "2024-01-31T18:30:00", "2024-02-29T18:30:00"},
		{"1mo", "UTC", "2024-12-31T23:50:00", "2024-12-01T00:00:00", "2025-01-01T00:00:00"},
		{"1mo", "Europe/Berlin", "2025-03-31T21:50:00", "2025-02-28T23:00:00", "2025-03-31T22:00:00"},
		// Clocks go forward and back: a day of 23 hours and one of 25, and the hour that comes twice.
		{"1d", "Europe/Berlin", "2025-03-30T12:00:00", "2025-03-29T23:00:00", "2025-03-30T22:00:00"},
		{"1d", "Europe/Berlin", "2025-10-26T22:50:00", "2025-10-25T22:00:00", "2025-10-26T23:00:00"},
		{"6h", "Europe/Berlin", "2025-03-30T03:50:00", "2025-03-29T23:00:00", "2025-03-30T04:00:00"},
		{"6h", "Europe/Berlin", "2025-10-26T04:00:00", "2025-10-25T22:00:00", "2025-10-26T05:00:00"},
		{"1h", "Europe/Berlin", "2025-10-26T00:10:00", "2025-10-26T00:00:00", "2025-10-26T01:00:00"},
		{"1h", "Europe/Berlin", "2025-10-26T01:10:00", "2025-10-26T01:00:00", "2025-10-26T02:00:00"},
		// Half an hour forward and back.
		{"1h", "Australia/Lord_Howe", "2025-04-05T14:50:00", "2025-04-05T14:00:00", "2025-04-05T15:00:00"},
		{"1h", "Australia/Lord_Howe", "2025-04-05T15:10:00", "2025-04-05T15:00:00", "2025-04-05T15:30:00"},
		{"1h", "Australia/Lord_Howe", "2025-10-04T15:40:00", "2025-10-04T15:30:00", "2025-10-04T16:00:00"},
		// Days without midnight, with two, and one that an island left out.
		{"1d", "America/Santiago", "2025-09-07T12:00:00", "2025-09-07T04:00:00", "2025-09-08T03:00:00"},
		{"6h", "America/Santiago", "2025-09-07T03:50:00", "2025-09-06T22:00:00", "2025-09-07T04:00:00"},
		{"1d", "America/Havana", "2025-11-02T05:30:00", "2025-11-02T04:00:00", "2025-11-03T05:00:00"},
		{"1d", "America/St_Johns", "2010-11-07T02:40:00", "2010-11-07T02:30:00", "2010-11-08T03:30:00"},
		{"6h", "America/St_Johns", "2010-11-07T02:40:00", "2010-11-07T02:30:00", "2010-11-07T09:30:00"},
		{"1d", "Pacific/Apia", "2011-12-30T09:50:00", "2011-12-29T10:00:00", "2011-12-30T10:00:00"},
		{"1d", "Pacific/Apia", "2011-12-30T10:00:00", "2011-12-30T10:00:00", "2011-12-31T10:00:00"},
	} {
		t.Run(string(tt.step)+" "+tt.zone+" "+tt.at, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse("2006-01-02T15:04:05", tt.at)
			if err != nil {
				t.Fatal(err)
			}
			start, stop := period(tt.step, at.In(zone))
			show := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }
			if show(start) != tt.start || show(stop) != tt.stop {
				t.Errorf("got %s to %s, want %s to %s", show(start), show(stop), tt.start, tt.stop)
			}
		})
	}
}

// Periods follow one another without a gap, whatever the zone: each instant of a period
// gives the same one.
func TestPeriodsAreWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "America/Havana", "Pacific/Apia", "Asia/Kathmandu"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []targetapi.Step{targetapi.StepWindow, targetapi.StepHour, targetapi.StepSixHours, targetapi.StepDay, targetapi.StepMonth} {
			start, stop := period(step, time.Date(2010, 10, 1, 0, 0, 0, 0, time.UTC).In(zone))
			for at := start; at.Year() < 2012; at = at.Add(5 * time.Minute) {
				gotStart, gotStop := period(step, at.In(zone))
				if !at.Before(stop) {
					start, stop = stop, gotStop
				}
				if !gotStart.Equal(start) || !gotStop.Equal(stop) || at.Before(start) || !at.Before(stop) {
					t.Fatalf("%s of %s at %s: from %s to %s, after a period from %s to %s", step, name, at, gotStart, gotStop, start, stop)
				}
			}
		}
	}
}
