package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// export measures reading the emulator's results over HTTP against converting the same results from a file. The
// emulator renders every document on the same cores while it is read; its share is told apart.
func (s *settings) export(ctx context.Context) (err error) {
	input := s.at("export.jsonl")
	converted := &side{name: "convert", out: s.at("out-convert"), command: append([]string{s.binary, "convert", input}, s.writing(s.at("out-convert"))...)}
	exported := &side{name: "export", out: s.at("out-export"), note: "the emulator ran beside it on the same cores"}
	if !s.keep {
		defer func() {
			err = errors.Join(err, os.RemoveAll(input), os.RemoveAll(converted.out), os.RemoveAll(exported.out))
		}()
	}
	var served []cost
	var size int64
	for round := -1; round < s.rounds; round++ { // the first is the warm-up
		var c cost
		convert := func() (err error) {
			c, err = converted.measure(ctx)
			return err
		}
		if round >= 0 && round%2 == 0 {
			if err := convert(); err != nil {
				return err
			}
		}
		e, emulator, err := s.exportOnce(ctx, exported, func(a *account) (err error) {
			if round < 0 {
				size, err = a.replay(ctx, exported.out, input)
			}
			return err
		})
		if err != nil {
			return err
		}
		if round < 0 || round%2 == 1 {
			if err := convert(); err != nil {
				return err
			}
		}
		if round < 0 {
			rows := s.results / windowDays * windowDays
			columns, err := verify(ctx, converted, exported, rows)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.stdout, "%d results of the emulator, %.1f MB; %d threads, zstd %d, %d rounds\nconvert and export hold the same values in all %d columns\n",
				rows, float64(size)/1e6, s.threads, s.level, s.rounds, columns)
			continue
		}
		converted.costs, exported.costs, served = append(converted.costs, c), append(exported.costs, e), append(served, emulator)
	}
	if _, err := io.WriteString(s.stdout, report([]*side{exported, converted}, size)); err != nil {
		return err
	}
	cpu := sorted(served, func(c cost) float64 { return c.CPU })
	shares := make([]float64, len(served))
	for i := range served {
		shares[i] = served[i].CPU / (served[i].CPU + exported.costs[i].CPU)
	}
	slices.Sort(shares)
	_, err = fmt.Fprintf(s.stdout, "emulator: %.2f s CPU (%.2f to %.2f), %.0f %% of what it and export took together\n",
		median(cpu), cpu[0], cpu[len(cpu)-1], 100*median(shares))
	return err
}

// exportOnce runs one export against an emulator of its own. What is to be done while the emulator still runs
// comes after the export, and its cost is then part of the emulator's.
func (s *settings) exportOnce(ctx context.Context, exported *side, then func(*account) error) (export, emulator cost, err error) {
	a, err := s.serve(ctx, s.results, s.every)
	if err != nil {
		return export, emulator, err
	}
	defer func() {
		var stopped error
		emulator, stopped = a.stop()
		err = errors.Join(err, stopped)
	}()
	run := s.exportTo(a, exported.name, exported.out)
	exported.command, exported.env = run.command, run.env
	if export, err = exported.measure(ctx); err != nil {
		return export, emulator, err
	}
	return export, emulator, then(a)
}
