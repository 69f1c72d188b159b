package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const clients = 8

// days is how many days the rates are spread over: those of the year 2025.
const days = 365

// dayPath asks for a day of the year, to its last microsecond.
func dayPath(day int) string {
	at := year().first.AddDate(0, 0, day).Format(time.DateOnly)
	return "/data?start=" + at + "&end=" + at + "T23:59:59.999999Z"
}

// spanPath asks for all samples of a range.
func spanPath(s span, rest string) string {
	return "/data?start=" + s.start.Format(time.DateOnly) + "&end=" + s.stop.Add(-time.Microsecond).Format("2006-01-02T15:04:05.999999Z") + rest
}

// download reads an answer to its end and returns how long that took.
func (a *api) download(ctx context.Context, path string) (float64, error) {
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	begun := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.at(path), http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("ask for %s: %w", path, err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, fmt.Errorf("ask for %s: %w", path, err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("ask for %s: status %d", path, response.StatusCode)
	}
	return time.Since(begun).Seconds(), nil
}

// dayRequests are the requests for each day of the year as they go over the
// wire; tagged ones send the tag that the day has.
func (a *api) dayRequests(ctx context.Context, tagged bool) ([][]byte, error) {
	requests := make([][]byte, days)
	for day := range requests {
		condition := ""
		if tagged {
			request, err := http.NewRequestWithContext(ctx, http.MethodHead, a.at(dayPath(day)), http.NoBody)
			if err != nil {
				return nil, fmt.Errorf("ask for a tag: %w", err)
			}
			request.Header.Set("Accept-Encoding", "identity")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return nil, fmt.Errorf("ask for a tag: %w", err)
			}
			response.Body.Close()
			condition = "If-None-Match: " + response.Header.Get("ETag") + "\r\n"
		}
		requests[day] = []byte("GET " + dayPath(day) + " HTTP/1.1\r\nHost: " + a.addr + "\r\n" + condition + "\r\n")
	}
	return requests, nil
}

// rate sends the requests at random from 8 connections for some seconds and
// returns how many a second were answered with that status. The client is as
// lean as pgbench is, since both share the machine with what they measure.
func (a *api) rate(ctx context.Context, requests [][]byte, status int, seconds int) (float64, error) {
	begun := time.Now()
	until := begun.Add(time.Duration(seconds) * time.Second)
	var answered atomic.Int64
	var group sync.WaitGroup
	failed := make([]error, clients)
	for i := range clients {
		group.Go(func() { failed[i] = a.client(ctx, requests, status, until, &answered) })
	}
	group.Wait()
	return float64(answered.Load()) / time.Since(begun).Seconds(), errors.Join(failed...)
}

func (a *api) client(ctx context.Context, requests [][]byte, status int, until time.Time, answered *atomic.Int64) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", a.addr)
	if err != nil {
		return fmt.Errorf("connect to the API: %w", err)
	}
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReaderSize(conn, 64<<10)
	for time.Now().Before(until) && ctx.Err() == nil {
		day := rand.IntN(len(requests)) //nolint:gosec // any day will do
		if _, err := conn.Write(requests[day]); err != nil {
			return fmt.Errorf("ask for a day: %w", err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return fmt.Errorf("read a day's answer: %w", err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			return fmt.Errorf("read a day: %w", err)
		}
		if response.StatusCode != status {
			return fmt.Errorf("ask for a day: status %d, want %d", response.StatusCode, status)
		}
		answered.Add(1)
	}
	return nil
}
