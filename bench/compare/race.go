package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// allSides is everybody, in the order of the table.
const allSides = "tw2parquet,compact,libzstd,duckdb-2,duckdb,duckdb-default,chdb,polars"

// oneFile makes the product write a single file, as its rivals do.
const oneFile = "64GiB"

// race measures the sides against each other, on one corpus after the other.
func (s *settings) race(ctx context.Context) error {
	return s.each(func(s *settings) error {
		return s.prepared(ctx, func(sides []*side, size int64) error {
			if err := s.rotate(ctx, sides); err != nil {
				return err
			}
			_, err := io.WriteString(s.stdout, report(sides, size))
			return err
		})
	})
}

// prepared records the corpus, has every side convert it once, shows that they hold the same values, and calls
// do.
func (s *settings) prepared(ctx context.Context, do func(sides []*side, size int64) error) (err error) {
	if s.fileSize == "" {
		s.fileSize = oneFile
	}
	input := s.at("corpus.jsonl")
	size, err := s.record(input)
	if err != nil {
		return err
	}
	if !s.keep {
		defer func() { err = errors.Join(err, os.Remove(input)) }()
	}
	sides, err := s.choose(ctx, input)
	if err != nil {
		return err
	}
	if !s.keep {
		defer func() {
			for _, side := range sides {
				err = errors.Join(err, os.RemoveAll(side.out))
			}
		}()
	}
	fmt.Fprintf(s.stdout, "corpus: %s, %d results, %.1f MB, seed %d; %d threads, zstd %d, %d rounds; load average before: %s\n",
		s.kind, s.results, float64(size)/1e6, s.seed, s.threads, s.level, s.rounds, load())

	// The warm-up is also the run whose outputs are compared.
	for _, side := range sides {
		if _, err := parquetBytes(side.out); s.reuse && err == nil {
			continue
		}
		if _, err := side.measure(ctx); err != nil {
			return err
		}
	}
	if !s.unchecked {
		if err := s.check(ctx, sides); err != nil {
			return err
		}
	}
	return do(sides, size)
}

// load is how busy the machine is with other things, where the system tells: figures of a busy one scatter.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// check compares the outputs of all sides with those of the first.
func (s *settings) check(ctx context.Context, sides []*side) error {
	for _, other := range sides[1:] {
		columns, err := verify(ctx, sides[0], other, s.results)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.stdout, "%s and %s hold the same values in all %d columns\n", sides[0].name, other.name, columns)
	}
	return nil
}

// rotate runs all sides once a round. Who goes first changes, so that nobody always follows the same
// neighbour.
func (s *settings) rotate(ctx context.Context, sides []*side) error {
	for round := range s.rounds {
		for i := range sides {
			side := sides[(i+round)%len(sides)]
			c, err := side.measure(ctx)
			if err != nil {
				return err
			}
			side.costs = append(side.costs, c)
			fmt.Fprintf(s.stderr, "round %d  %-16s %6.2fs wall  %6.2fs cpu  %5.0f MiB\n", round+1, side.name, c.Wall, c.CPU, c.RSS)
		}
	}
	return nil
}

// record writes the input and returns its size.
func (s *settings) record(name string) (int64, error) {
	if info, err := os.Stat(name); s.reuse && err == nil {
		return info.Size(), nil
	}
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	n, err := s.corpus(s.results, s.every).WriteTo(f)
	return n, errors.Join(err, f.Close())
}

// choose makes the sides in the order they were named in. A rival that cannot be installed is named and left
// out.
func (s *settings) choose(ctx context.Context, input string) ([]*side, error) {
	names := s.sides
	if names == "all" {
		names = allSides
	}
	var sides []*side
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		side := &side{name: name, out: s.at("out-" + name)}
		switch name {
		case "tw2parquet":
			side.command = append([]string{s.binary, "convert", input}, s.writing(side.out)...)
			side.note = "_ordinal, page index and page checksums besides; Bloom filters of url and external_id; synced to disk when it ends"
		case "compact":
			side.command = append([]string{s.binary, "convert", input, "--encodings", "compact"}, s.writing(side.out)...)
			side.note = "as tw2parquet, with --encodings compact"
		case "libzstd":
			side.command = append([]string{s.libzstd, "convert", input}, s.writing(side.out)...)
			side.note = "as tw2parquet, with the C library's zstd"
		case "duckdb", "duckdb-default":
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			side.command = append([]string{self}, rivalArgs(input, side.out, s.threads, s.level, name == "duckdb")...)
			side.note = "no _ordinal, _extra always null: what has no column is dropped; no page index, no page checksums; Bloom filters of many columns"
			if name == "duckdb" {
				side.note = fmt.Sprintf("row groups of %d rows; ", tunedRowGroup) + side.note
			}
		case "duckdb-2", "duckdb-2-20480", "duckdb-2-40960", "duckdb-2-122880": // the last is its own
			rows := tunedRowGroup
			if _, size, ok := strings.Cut(name, "-2-"); ok {
				rows, _ = strconv.Atoi(size) // one of those above
			}
			if err := s.duckdb2(side, input, rows); err != nil {
				fmt.Fprintf(s.stdout, "%s takes no part: %v\n", name, err)
				continue
			}
		case "chdb", "polars":
			if err := s.node(ctx, side, input); err != nil {
				fmt.Fprintf(s.stdout, "%s takes no part: %v\n", name, err)
				continue
			}
		default:
			return nil, fmt.Errorf("no side %q", name)
		}
		sides = append(sides, side)
	}
	if len(sides) == 0 {
		return nil, errors.New("nobody takes part")
	}
	return sides, nil
}
