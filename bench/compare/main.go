// Command compare races `tw2parquet convert` against DuckDB's COPY on one recorded stream: same input, same
// columns, same codec and level, same number of threads, whole processes, interleaved. No time counts
// before both outputs are shown to hold the same values, column by column.
//
// Machines drift: read the ratios, which pair runs that followed each other, not the seconds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"tw2parquet/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are what the flags say.
type settings struct {
	results   int
	kind      string
	seed      uint64
	every     int
	rounds    int
	threads   int
	level     int
	sides     string
	binary    string
	libzstd   string
	dir       string
	keep      bool
	unchecked bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == rivalCommand {
		return runRival(ctx, args[1:], stderr)
	}
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if err := s.compare(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "compare:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&s.results, "results", 200000, "results in the corpus")
	f.StringVar(&s.kind, "kind", string(bench.Mix), fmt.Sprintf("documents, one of %v", bench.Kinds()))
	f.Uint64Var(&s.seed, "seed", 1, "seed of the corpus")
	f.IntVar(&s.every, "control-every", 0, "results between control chunks (0: 1,000; -1: none before the last)")
	f.IntVar(&s.rounds, "rounds", 5, "measured runs of each side, after one that is not")
	f.IntVar(&s.threads, "threads", 2, "threads of each side")
	f.IntVar(&s.level, "level", 3, "zstd level of each side")
	f.StringVar(&s.sides, "sides", "tw2parquet,duckdb,duckdb-default", "who takes part, of: tw2parquet, libzstd, duckdb, duckdb-default")
	f.StringVar(&s.binary, "binary", "../../bin/tw2parquet", "the product")
	f.StringVar(&s.libzstd, "libzstd", "../../bin/tw2parquet-libzstd", "the product built with -tags libzstd")
	f.StringVar(&s.dir, "dir", "", "where the corpus and the outputs go (default: a temporary directory)")
	f.BoolVar(&s.keep, "keep", false, "leave the corpus and the last outputs there")
	f.BoolVar(&s.unchecked, "unchecked", false, "measure without comparing the values first")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	var bad []error
	if f.NArg() > 0 {
		bad = append(bad, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	if s.rounds < 1 || s.threads < 1 || s.results < 1 {
		bad = append(bad, errors.New("-rounds, -threads and -results must be 1 or more"))
	}
	if err := errors.Join(bad...); err != nil {
		fmt.Fprintln(stderr, "compare:", err)
		return s, err
	}
	return s, nil
}

func (s settings) compare(ctx context.Context, stdout, stderr io.Writer) error {
	dir := s.dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "tw2parquet-compare-*")
		if err != nil {
			return err
		}
		dir = temporary
		if !s.keep {
			defer os.RemoveAll(temporary)
		}
	}
	input := filepath.Join(dir, "corpus.jsonl")
	size, err := s.corpus(input)
	if err != nil {
		return err
	}
	if !s.keep {
		defer os.Remove(input)
	}
	sides, err := s.choose(dir, input)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "corpus: %s, %d results, %.1f MB, seed %d; %d threads, zstd %d, %d rounds\n",
		s.kind, s.results, float64(size)/1e6, s.seed, s.threads, s.level, s.rounds)

	// The warm-up is also the run whose outputs are compared.
	for _, side := range sides {
		if _, err := side.measure(ctx); err != nil {
			return err
		}
	}
	if !s.unchecked {
		reference := sides[0]
		for _, other := range sides[1:] {
			columns, err := verify(ctx, reference, other, s.results)
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s and %s hold the same values in all %d columns\n", reference.name, other.name, columns)
		}
	}
	for round := range s.rounds {
		for i := range sides {
			// Who goes first changes, so that nobody always follows the same neighbour.
			side := sides[(i+round)%len(sides)]
			c, err := side.measure(ctx)
			if err != nil {
				return err
			}
			side.costs = append(side.costs, c)
			fmt.Fprintf(stderr, "round %d  %-16s %6.2fs wall  %6.2fs cpu  %5.0f MiB\n", round+1, side.name, c.wall, c.cpu, c.rss)
		}
	}
	_, err = io.WriteString(stdout, report(sides, size))
	if !s.keep {
		for _, side := range sides {
			err = errors.Join(err, os.RemoveAll(side.out))
		}
	}
	return err
}

// corpus writes the input and returns its size.
func (s settings) corpus(name string) (int64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	n, err := bench.Corpus{Seed: s.seed, Kind: bench.Kind(s.kind), Results: s.results, ControlEvery: s.every}.WriteTo(f)
	return n, errors.Join(err, f.Close())
}

// choose makes the sides in the order they were named in.
func (s settings) choose(dir, input string) ([]*side, error) {
	var sides []*side
	for name := range strings.SplitSeq(s.sides, ",") {
		side := &side{name: strings.TrimSpace(name), out: filepath.Join(dir, "out-"+strings.TrimSpace(name))}
		switch side.name {
		case "tw2parquet":
			side.command = s.convert(s.binary, input, side.out)
		case "libzstd":
			side.command = s.convert(s.libzstd, input, side.out)
		case "duckdb", "duckdb-default":
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			tuned := side.name == "duckdb"
			side.command = append([]string{self}, rivalArgs(input, side.out, s.threads, s.level, tuned)...)
		default:
			return nil, fmt.Errorf("no side %q", side.name)
		}
		sides = append(sides, side)
	}
	return sides, nil
}

// convert is the product's command line: one file, as DuckDB writes one.
func (s settings) convert(binary, input, out string) []string {
	return []string{binary, "convert", input, "--out", out, "--file-size", "64GiB",
		"--compression", fmt.Sprintf("zstd:%d", s.level), "--workers", fmt.Sprint(s.threads), "--progress", "off"}
}
