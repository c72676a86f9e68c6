package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// export measures reading results over HTTP against converting the same results from a file. The emulator works on the same
// cores; its share is told apart. It serves the recording of a first export, unless it is to generate the documents every time.
func (s *settings) export(ctx context.Context) (err error) {
	input := s.at("export.jsonl")
	converted := &side{name: "convert", out: s.at("out-convert"), command: append([]string{s.binary, "convert", input}, s.writing(s.at("out-convert"))...)}
	exported := &side{name: "export", out: s.at("out-export"), note: "the emulator ran beside it on the same cores"}
	if !s.keep {
		defer func() {
			err = errors.Join(err, os.RemoveAll(input), os.RemoveAll(converted.out), os.RemoveAll(exported.out))
		}()
	}
	rows := s.results / windowDays * windowDays
	size, err := s.recordExport(ctx, exported, input)
	if err != nil {
		return err
	}
	if s.recorded != "" {
		if _, _, err := s.exportOnce(ctx, exported); err != nil {
			return err
		}
	}
	if _, err := converted.measure(ctx); err != nil {
		return err
	}
	columns, err := verify(ctx, converted, exported, rows)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%d results of the emulator, %.1f MB, %s; %d threads, zstd %d, %d rounds\nconvert and export hold the same values in all %d columns\n",
		rows, float64(size)/1e6, s.origin(), s.threads, s.level, s.rounds, columns)
	var served []cost
	for round := range s.rounds {
		var c cost
		convert := func() (err error) {
			c, err = converted.measure(ctx)
			return err
		}
		if round%2 == 0 {
			if err := convert(); err != nil {
				return err
			}
		}
		e, emulator, err := s.exportOnce(ctx, exported)
		if err != nil {
			return err
		}
		if round%2 == 1 {
			if err := convert(); err != nil {
				return err
			}
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
	together := make([]float64, len(served))
	for i := range served {
		together[i] = (served[i].CPU + exported.costs[i].CPU) / converted.costs[i].CPU
	}
	slices.Sort(together)
	_, err = fmt.Fprintf(s.stdout, "emulator, once it was ready: %.2f s CPU (%.2f to %.2f), %.0f %% of what it and export took together: %.3f (%.3f to %.3f) of convert's\n",
		median(cpu), cpu[0], cpu[len(cpu)-1], 100*median(shares), median(together), together[0], together[len(together)-1])
	return err
}

// origin says where the documents come from that the emulator serves.
func (s *settings) origin() string {
	if s.recorded != "" {
		return "recorded once and served from a file"
	}
	return "generated while they are read"
}

// recordExport runs one export of generated documents and writes its results to a file, whose size it returns. Unless documents
// are to be generated every time, that file is what emulators serve from now on.
func (s *settings) recordExport(ctx context.Context, exported *side, file string) (size int64, err error) {
	err = s.account(ctx, func(a *account) (err error) {
		run := s.exportTo(a, exported.name, exported.out)
		if _, err := run.measure(ctx); err != nil {
			return err
		}
		size, err = a.replay(ctx, exported.out, file)
		return err
	})
	if err == nil && !s.generated {
		s.recorded = file
	}
	return size, err
}

// exportOnce runs one export against an emulator of its own.
func (s *settings) exportOnce(ctx context.Context, exported *side) (export, emulator cost, err error) {
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
	export, err = exported.measure(ctx)
	return export, emulator, err
}
