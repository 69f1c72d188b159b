//go:build ignore

// Prints a month's energy, power curve and coverage, read from the target API as a
// stream of CSV by a client that oapi-codegen makes:
//
//	curl -f -o target.json "$TARGET_API_URL/openapi.json"
//	oapi-codegen -generate types,client -package target -o target/client.go target.json
//	go run month.go 2025-01
package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"example/target"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: month YYYY-MM")
	}
	from, err := time.Parse("2006-01", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := run(context.Background(), from); err != nil {
		log.Fatal(err)
	}
}

// bin is one of the power curve: windows of about one wind speed.
type bin struct {
	windows int
	power   float64 // the sum of their means
}

// month is what is added up of the windows.
type month struct {
	interval map[int]float64 // seconds between the samples of each turbine
	energy   map[int]float64 // kWh of each turbine
	read     map[int]float64 // readings of its power
	curve    map[int]bin     // by twice the wind speed in m/s
}

func run(ctx context.Context, from time.Time) error {
	api, err := target.NewClientWithResponses(cmp.Or(os.Getenv("TARGET_API_URL"), "http://localhost:3000"), target.WithRequestEditorFn(bearer))
	if err != nil {
		return err
	}
	turbines, err := api.ListTurbinesWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	if turbines.JSON200 == nil {
		return fmt.Errorf("turbines: %s: %s", turbines.Status(), turbines.Body)
	}
	m := month{map[int]float64{}, map[int]float64{}, map[int]float64{}, map[int]bin{}}
	for _, t := range *turbines.JSON200 {
		m.interval[int(t.Id)] = float64(t.SampleInterval)
	}

	before := from.AddDate(0, 1, 0)
	wide, format := true, target.Format("csv")
	signals := []target.SignalName{"power_mean", "power_count", "wind_speed_mean"}
	answer, err := api.GetWindows(ctx, &target.GetWindowsParams{Start: from, Before: &before, Wide: &wide, Signals: &signals, Format: &format})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("windows: %s: %s", answer.Status, reason)
	}
	rows, err := m.add(csv.NewReader(answer.Body))
	if err != nil {
		return fmt.Errorf("windows: %w", err)
	}
	// The trailer comes after the last row: without it the answer was cut.
	if answer.Trailer.Get("Delfos-Rows") != strconv.Itoa(rows) {
		return fmt.Errorf("windows: %d rows came, Delfos-Rows is %q", rows, answer.Trailer.Get("Delfos-Rows"))
	}
	m.print(int(before.Sub(from).Hours() / 24))
	return nil
}

// bearer sends a token, where there is one.
func bearer(_ context.Context, r *http.Request) error {
	if token := os.Getenv("TARGET_API_TOKEN"); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// add adds up the windows, and counts them.
func (m *month) add(windows *csv.Reader) (rows int, err error) {
	header, err := windows.Read()
	if err != nil {
		return 0, err
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	for ; ; rows++ {
		row, err := windows.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		if row[column["power_mean"]] == "" {
			continue // nothing was read
		}
		turbine, _ := strconv.Atoi(row[column["turbine_id"]])
		power, _ := strconv.ParseFloat(row[column["power_mean"]], 64)
		count, _ := strconv.ParseFloat(row[column["power_count"]], 64)
		m.energy[turbine] += power * min(count*m.interval[turbine], 600) / 3600
		m.read[turbine] += count
		if wind, err := strconv.ParseFloat(row[column["wind_speed_mean"]], 64); err == nil {
			i := int(math.Floor((wind + 0.25) / 0.5))
			m.curve[i] = bin{m.curve[i].windows + 1, m.curve[i].power + power}
		}
	}
}

func (m *month) print(days int) {
	fmt.Println("turbine_id,energy_kwh")
	for _, t := range slices.Sorted(maps.Keys(m.energy)) {
		fmt.Printf("%d,%.3f\n", t, m.energy[t])
	}
	fmt.Println("\nwind_speed,power,windows")
	for _, i := range slices.Sorted(maps.Keys(m.curve)) {
		fmt.Printf("%.1f,%.3f,%d\n", float64(i)/2, m.curve[i].power/float64(m.curve[i].windows), m.curve[i].windows)
	}
	fmt.Println("\nturbine_id,read,expected,coverage")
	for _, t := range slices.Sorted(maps.Keys(m.read)) {
		expected := float64(days) * math.Ceil(86_400/m.interval[t])
		fmt.Printf("%d,%.0f,%.0f,%.3f\n", t, m.read[t], expected, m.read[t]/expected)
	}
}
