package source_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestTurbineSpans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine (id, name) VALUES (2, 'North'), (3, 'South')")
	b.exec("INSERT INTO data (turbine_id, timestamp) VALUES (1, '2025-01-03'), (1, '2025-01-01 00:00:00.5'), (1, '2025-01-02'), (3, '2024-12-31 23:59')")
	b.exec("UPDATE turbine SET sample_interval = '10 minutes', rated_power = 2050, cut_in = 3.5, cut_out = 25, rotor_diameter = 82, hub_height = 80, " +
		"altitude = 410, latitude = 48.45, longitude = 5.59, commissioned = '2009-03-01', decommissioned = '2029-12-31' WHERE id = 2")
	const unknown = `"altitude":null,"commissioned":null,"cut_in":null,"cut_out":null,"decommissioned":null,"first":"%s","hub_height":null,"id":%d,"last":"%s",` +
		`"latitude":null,"longitude":null,"name":"%s","rated_power":null,"rotor_diameter":null,"sample_interval":60}`
	want := `[{` + fmt.Sprintf(unknown, "2025-01-01T00:00:00.5Z", 1, "2025-01-03T00:00:00Z", "Turbine 1") +
		`,{"altitude":410,"commissioned":"2009-03-01","cut_in":3.5,"cut_out":25,"decommissioned":"2029-12-31","hub_height":80,"id":2,` +
		`"latitude":48.45,"longitude":5.59,"name":"North","rated_power":2050,"rotor_diameter":82,"sample_interval":600}` +
		`,{` + fmt.Sprintf(unknown, "2024-12-31T23:59:00Z", 3, "2024-12-31T23:59:00Z", "South") + "]\n"
	if a := b.Get("/turbines?span=true"); a.Status != http.StatusOK || a.Body != want {
		t.Errorf("got %d %s, want %s", a.Status, a.Body, want)
	}
	// A clock that was never set, and dates that can't be written, are left out.
	b.exec("INSERT INTO data (turbine_id, timestamp) VALUES (2, '1970-01-01'), (3, '0001-01-01'), (3, '0044-03-15 BC'), (3, '9999-12-31 23:59:59.999999'), (3, '20000-01-01')")
	if a := b.Get("/turbines?span=true&start=1980-01-01&end=2025-01-10"); a.Status != http.StatusOK || a.Body != want {
		t.Errorf("within bounds: got %d %s, want %s", a.Status, a.Body, want)
	}
	if a := b.Get("/turbines?span=true&start=2025-01-03&end=2025-01-02"); a.Status != http.StatusBadRequest {
		t.Errorf("reversed: got %d %s", a.Status, a.Body)
	}
	all := fmt.Sprintf(unknown, "0001-01-01T00:00:00Z", 3, "9999-12-31T23:59:59.999999Z", "South")
	if a := b.Get("/turbines?span=true"); a.Status != http.StatusOK || !strings.Contains(a.Body, all) || !strings.Contains(a.Body, `"first":"1970-01-01T00:00:00Z"`) {
		t.Errorf("all that can be written: got %d %s, want %s", a.Status, a.Body, all)
	}
	if with, without := b.Get("/turbines?span=false").Body, b.Get("/turbines").Body; with != without || strings.Contains(with, "first") {
		t.Errorf("span=false: got %s, want %s", with, without)
	}
}
