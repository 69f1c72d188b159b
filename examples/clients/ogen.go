//go:build ignore

// Reads a day by the clients that ogen makes of each server's document:
//
//	ogen --package source --target source source.json
//	ogen --package target --target target target.json
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/ogen-go/ogen/ogenerrors"

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
	c, err := source.NewClient(os.Getenv("SOURCE_API_URL"), sourceToken(os.Getenv("SOURCE_API_TOKEN")))
	if err != nil {
		return 0, err
	}
	answer, err := c.GetData(ctx, source.GetDataParams{
		Start:    source.TimestampParameter(day),
		Before:   source.NewOptTimestampParameter(source.TimestampParameter(day.AddDate(0, 0, 1))),
		Turbines: []source.TurbineSelector{"all"},
		Format:   source.NewOptFormat("json"),
	})
	if err != nil {
		return 0, err
	}
	rows, ok := answer.(*source.GetDataOKApplicationJSONHeaders)
	if !ok {
		return 0, fmt.Errorf("read samples: %v", answer)
	}
	return len(rows.Response), nil
}

func readWindows(ctx context.Context) (int, error) {
	c, err := target.NewClient(os.Getenv("TARGET_API_URL"), targetToken(os.Getenv("TARGET_API_TOKEN")))
	if err != nil {
		return 0, err
	}
	answer, err := c.GetWindows(ctx, target.GetWindowsParams{
		Start:  target.TimestampParameter(day),
		Before: target.NewOptTimestampParameter(target.TimestampParameter(day.AddDate(0, 0, 1))),
		Wide:   target.NewOptBool(true),
		Format: target.NewOptFormat("json"),
	})
	if err != nil {
		return 0, err
	}
	rows, ok := answer.(*target.GetWindowsOKApplicationJSONHeaders)
	if !ok {
		return 0, fmt.Errorf("read windows: %v", answer)
	}
	return len(rows.Response), nil
}

// sourceToken is sent with each request; a server that asks nobody ignores it.
type sourceToken string

func (t sourceToken) Bearer(context.Context, source.OperationName) (source.Bearer, error) {
	return source.Bearer{Token: string(t)}, nil
}

func (sourceToken) Cookie(context.Context, source.OperationName) (source.Cookie, error) {
	return source.Cookie{}, ogenerrors.ErrSkipClientSecurity // that is for the console's page
}

// targetToken is sent with each request; a server that asks nobody ignores it.
type targetToken string

func (t targetToken) Bearer(context.Context, target.OperationName) (target.Bearer, error) {
	return target.Bearer{Token: string(t)}, nil
}

func (targetToken) Cookie(context.Context, target.OperationName) (target.Cookie, error) {
	return target.Cookie{}, ogenerrors.ErrSkipClientSecurity // that is for the console's page
}
