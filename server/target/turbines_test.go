package target_test

import (
	"net/http"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestTurbines(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if a := b.Get("/turbines"); a.Status != http.StatusOK || a.Body != "[]\n" {
		t.Errorf("without turbines: got %d %s, want []", a.Status, a.Body)
	}
	pgtest.Exec(t, b.db, "INSERT INTO turbine VALUES (1, 'North', '10 minutes', 2050, 3.5, 25, 82, 80, 410, 48.45, 5.59, '2009-03-01', '2029-12-31')")
	pgtest.Exec(t, b.db, "INSERT INTO turbine (id, name) VALUES (7, 'South')")
	pgtest.Exec(t, b.db, "INSERT INTO data (turbine_id, signal_id, timestamp, value) VALUES (1, 2, '2025-01-01 00:10', 1), (1, 5, '2025-01-01', 1), (1, 3, '2025-01-02', 1), (7, 1, '1970-01-01', 1)")
	const (
		north = `[{"altitude":410,"commissioned":"2009-03-01","cut_in":3.5,"cut_out":25,"decommissioned":"2029-12-31",`
		span  = `"first":"2025-01-01T00:00:00Z","hub_height":80,"id":1,"last":"2025-01-02T00:00:00Z",`
		known = `"latitude":48.45,"longitude":5.59,"name":"North","rated_power":2050,"rotor_diameter":82,"sample_interval":600},`
		south = `{"altitude":null,"commissioned":null,"cut_in":null,"cut_out":null,"decommissioned":null,"hub_height":null,"id":7,` +
			`"latitude":null,"longitude":null,"name":"South","rated_power":null,"rotor_diameter":null,"sample_interval":60}]` + "\n"
	)
	for query, want := range map[string]string{
		"":                            north + `"hub_height":80,"id":1,` + known + south,
		"?span=true&start=2025-01-01": north + span + known + south,
	} {
		if a := b.Get("/turbines" + query); a.Status != http.StatusOK || a.Body != want {
			t.Errorf("%s: got %d %s, want %s", query, a.Status, a.Body, want)
		}
	}
	if a := b.Get("/turbines?start=2025-01-01"); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("start without span: got %d %s", a.Status, a.Body)
	}
}
