//go:build ignore

// Reads a day by the clients that oapi-codegen makes of each server's document:
//
//	oapi-codegen -generate types,client -package source -o source/client.go source.json
//	oapi-codegen -generate types,client -package target -o target/client.go target.json
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"example/source"
	"example/target"
)

var day = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	ctx := context.Background()
	samples, err := readSamples(ctx)
	if err != nil {
		log.Fatal(err)
	}
	windows, err := readWindows(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d samples, %d windows\n", samples, windows)
}

func readSamples(ctx context.Context) (int, error) {
	c, err := source.NewClientWithResponses(os.Getenv("SOURCE_API_URL"), source.WithRequestEditorFn(bearer("SOURCE_API_TOKEN")))
	if err != nil {
		return 0, err
	}
	before, all := day.AddDate(0, 0, 1), []string{"all"}
	answer, err := c.GetDataWithResponse(ctx, &source.GetDataParams{Start: day, Before: &before, Turbines: &all})
	if err != nil {
		return 0, err
	}
	if answer.JSON200 == nil {
		return 0, fmt.Errorf("read samples: %s: %s", answer.Status(), answer.Body)
	}
	return len(*answer.JSON200), nil
}

func readWindows(ctx context.Context) (int, error) {
	c, err := target.NewClientWithResponses(os.Getenv("TARGET_API_URL"), target.WithRequestEditorFn(bearer("TARGET_API_TOKEN")))
	if err != nil {
		return 0, err
	}
	before, wide := day.AddDate(0, 0, 1), true
	answer, err := c.GetWindowsWithResponse(ctx, &target.GetWindowsParams{Start: day, Before: &before, Wide: &wide})
	if err != nil {
		return 0, err
	}
	if answer.JSON200 == nil {
		return 0, fmt.Errorf("read windows: %s: %s", answer.Status(), answer.Body)
	}
	return len(*answer.JSON200), nil
}

// bearer sends the token that a variable holds, if it holds one.
func bearer(variable string) func(context.Context, *http.Request) error {
	return func(_ context.Context, r *http.Request) error {
		if token := os.Getenv(variable); token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	}
}
