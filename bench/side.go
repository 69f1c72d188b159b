package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"
)

// rateOf is where pgbench says it.
func rateOf(stdout []byte) (float64, error) {
	found := regexp.MustCompile(`(?m)^tps = ([0-9.]+)`).FindSubmatch(stdout)
	if found == nil {
		return 0, fmt.Errorf("pgbench gives no rate: %s", lastOf(string(stdout)))
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// pgbench reads days of a turbine at random from 8 clients.
func (b *bench) pgbench(ctx context.Context, _ *api) (sample, error) {
	n := strconv.Itoa(clients)
	got, err := command(ctx, nil, "pgbench", "-n", "-M", "prepared", "-c", n, "-j", "2",
		"-T", strconv.Itoa(b.seconds), "-f", b.file("day.sql"), b.database(year()).String())
	if err != nil {
		return sample{}, err
	}
	rate, err := rateOf(got.stdout)
	return sample{value: rate}, err
}

// answers asks the API for days of a turbine at random from 8 clients, which
// have them already when tagged.
func (b *bench) answers(tagged bool) side {
	return func(ctx context.Context, a *api) (sample, error) {
		status := http.StatusOK
		if tagged {
			status = http.StatusNotModified
		}
		requests, err := a.dayRequests(ctx, tagged)
		if err != nil {
			return sample{}, err
		}
		rate, err := a.rate(ctx, requests, status, b.seconds)
		return sample{value: rate, peak: a.peak(), grown: a.peak() - a.idle}, err
	}
}

// answer asks the API for a whole dataset.
func (*bench) answer(d dataset, rest string) side {
	return func(ctx context.Context, a *api) (sample, error) {
		seconds, err := a.download(ctx, spanPath(d.span(), rest))
		return sample{value: seconds, peak: a.peak(), grown: a.peak() - a.idle}, err
	}
}

// copyOut has psql write a dataset to nowhere.
func (b *bench) copyOut(name string, d dataset) side {
	return func(ctx context.Context, _ *api) (sample, error) {
		got, err := output(ctx, nil, nil, "psql", append(b.psqlArgs(b.database(d), name), d.span().variables()...)...)
		return sample{value: got.seconds, peak: got.peak}, err
	}
}

// pipe aggregates days in the source and writes them into the replaced schema,
// which is empty before.
func (b *bench) pipe(s span) side {
	return func(ctx context.Context, a *api) (sample, error) {
		if err := b.renew(ctx, b.replaced); err != nil {
			return sample{}, err
		}
		reader, writer, err := os.Pipe()
		if err != nil {
			return sample{}, fmt.Errorf("make a pipe: %w", err)
		}
		left := child(ctx, nil, "psql", append(b.psqlArgs(a.source, "pipe_read.sql"), s.variables()...)...)
		left.Stdout, left.Stderr = writer, os.Stderr
		right := child(ctx, nil, "psql", append(b.psqlArgs(b.replaced, "pipe_write.sql"), s.variables()...)...)
		right.Stdin, right.Stderr = reader, os.Stderr
		begun := time.Now()
		// The ends are the children's once they run: the pipe closes with them.
		err = errors.Join(left.Start(), right.Start(), writer.Close(), reader.Close())
		if err != nil {
			return sample{}, fmt.Errorf("start the pipe: %w", err)
		}
		if err := errors.Join(left.Wait(), right.Wait()); err != nil {
			return sample{}, fmt.Errorf("run the pipe: %w", err)
		}
		return sample{value: time.Since(begun).Seconds()}, nil
	}
}

// inPlace aggregates a dataset within its own database, to which the replaced
// schema is added.
func (b *bench) inPlace(d dataset) side {
	return func(ctx context.Context, _ *api) (sample, error) {
		at, added := b.database(d), d.name+"/replaced"
		if !b.seeded[added] {
			if _, err := b.psql(ctx, at, "replaced.sql"); err != nil {
				return sample{}, err
			}
			b.seeded[added] = true
		}
		if _, err := b.psql(ctx, at, "reset_replaced.sql"); err != nil {
			return sample{}, err
		}
		got, err := output(ctx, nil, nil, "psql", append(b.psqlArgs(at, "in_place.sql"), d.span().variables()...)...)
		return sample{value: got.seconds}, err
	}
}

// fresh gives a side a target that has never been loaded.
func (b *bench) fresh(s side) side {
	return func(ctx context.Context, a *api) (sample, error) {
		if err := b.renew(ctx, b.target); err != nil {
			return sample{}, err
		}
		return s(ctx, a)
	}
}

// etl runs our job over days, of all turbines if none are given.
func (b *bench) etl(s span, turbines string) side {
	return func(ctx context.Context, a *api) (sample, error) {
		args := []string{
			"etl", s.start.Format(time.DateOnly), "--to", s.stop.AddDate(0, 0, -1).Format(time.DateOnly),
			"--output", "json",
		}
		if turbines != "" {
			args = append(args, "--turbines", turbines)
		}
		got, err := command(ctx, []string{"SOURCE_API_URL=" + a.at(""), "TARGET_DB_URL=" + b.target.String()}, b.delfos, args...)
		if err != nil {
			return sample{}, err
		}
		var summary struct {
			Written int64 `json:"written"`
		}
		if err := json.Unmarshal(got.stdout, &summary); err != nil {
			return sample{}, fmt.Errorf("read the ETL's summary: %w", err)
		}
		return sample{value: got.seconds, peak: got.peak, written: summary.Written}, nil
	}
}
