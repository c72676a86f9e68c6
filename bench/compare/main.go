// Command compare races `tw2parquet convert` against rivals on one recorded stream: same input, same columns, same
// codec and level, same number of threads, whole processes, interleaved. No time counts before all outputs
// are shown to hold the same values, column by column.
//
// Other modes: query asks DuckDB the same questions of every side's files, read has another reader read the
// product's, memory holds the peak memory of long streams against that of short ones, export holds reading over
// HTTP against converting the same documents from a file, stores holds an output in a bucket against one on disk, peers
// holds the whole job against the ways people do it today, guard holds a short race against the last one that was kept, looks
// holds verify, cat and report against convert.
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
	"slices"
	"strconv"
	"strings"

	"tw2parquet/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The modes.
const (
	modeRace   = "race"
	modeQuery  = "query"
	modeRead   = "read"
	modeMemory = "memory"
	modeExport = "export"
	modeStores = "stores"
	modePeers  = "peers"
	modeGuard  = "guard"
	modeLooks  = "looks"
)

// settings are what the flags say.
type settings struct {
	mode      string
	results   int
	kind      string // of the corpus that is being measured
	kinds     string
	seed      uint64
	every     int
	rounds    int
	threads   int
	level     int
	rowGroup  string
	fileSize  string
	sides     string
	binary    string
	libzstd   string
	dir       string
	cache     string
	guarded   string
	update    bool
	keep      bool
	reuse     bool
	unchecked bool
	generated bool
	recorded  string // a file with the emulator's results, for it to serve; "": it generates them

	stdout, stderr io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == rivalCommand {
		return runRival(ctx, args[1:], stderr)
	}
	if len(args) > 1 && args[0] == meterCommand {
		return runMeter(ctx, args[1:], stderr)
	}
	s, err := parse(args, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	modes := map[string]func(context.Context) error{
		modeRace: s.race, modeQuery: s.query, modeRead: s.read, modeMemory: s.memory, modeExport: s.export, modeStores: s.stores, modePeers: s.peers, modeGuard: s.guard, modeLooks: s.looks,
	}
	if err := s.inDirectory(func() error { return modes[s.mode](ctx) }); err != nil {
		fmt.Fprintln(stderr, "compare:", err)
		return 1
	}
	return 0
}

func parse(args []string, stdout, stderr io.Writer) (*settings, error) {
	s := &settings{stdout: stdout, stderr: stderr}
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.mode, "mode", modeRace, "race, query, read, memory, export, stores, peers, guard or looks")
	f.IntVar(&s.results, "results", 200000, "results in a corpus that says no number; with -mode memory in the short streams")
	f.StringVar(&s.kinds, "kind", "", fmt.Sprintf("documents, of: %v, %s (mix with hashtags, links, emoji, quotations and notices) and %s, made of real texts that lie on this machine; each may have its own number of results (default %s; with -mode memory, export and stores %s)",
		bench.Kinds(), bench.Rich, bench.Prose, allCorpora, bench.Mix))
	f.Uint64Var(&s.seed, "seed", 1, "seed of the corpus")
	f.IntVar(&s.every, "control-every", 0, "results between control chunks (0: 1,000; -1: none before the last)")
	f.IntVar(&s.rounds, "rounds", 5, "measured runs of each side, after one that is not")
	f.IntVar(&s.threads, "threads", 2, "threads of each side")
	f.IntVar(&s.level, "level", 3, "zstd level of each side")
	f.StringVar(&s.rowGroup, "row-group-size", "", "the product's --row-group-size (default: its own)")
	f.StringVar(&s.fileSize, "file-size", "", "the product's --file-size (default: its own; in a race one file)")
	f.StringVar(&s.sides, "sides", "tw2parquet,compact,libzstd,duckdb-2,duckdb",
		"who takes part, of: tw2parquet, compact (its --encodings), libzstd, duckdb-2 (from PyPI), duckdb (1.5), duckdb-default and, installed through npm, chdb (ClickHouse), polars; or all")
	f.StringVar(&s.binary, "binary", "../../bin/tw2parquet", "the product")
	f.StringVar(&s.libzstd, "libzstd", "../../bin/tw2parquet-libzstd", "the product built with -tags libzstd")
	f.StringVar(&s.dir, "dir", "", "where the corpus and the outputs go (default: a temporary directory)")
	f.StringVar(&s.cache, "cache", "", "where npm's packages go (default: a folder of the user's cache)")
	f.StringVar(&s.guarded, "guard", "../results/guard.json", "with -mode guard: the figures that were kept")
	f.BoolVar(&s.update, "update", false, "with -mode guard: keep these figures")
	f.BoolVar(&s.keep, "keep", false, "leave the corpus and the last outputs there")
	f.BoolVar(&s.reuse, "reuse", false, "with -mode query: ask the outputs that an earlier run with the same flags left in -dir; the missing ones are made, and all are kept")
	f.BoolVar(&s.unchecked, "unchecked", false, "measure without comparing the values first")
	f.BoolVar(&s.generated, "generated", false, "with -mode export and peers: let the emulator generate its documents every time, instead of serving a recording of them")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	var bad []error
	if f.NArg() > 0 {
		bad = append(bad, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	if !slices.Contains([]string{modeRace, modeQuery, modeRead, modeMemory, modeExport, modeStores, modePeers, modeGuard, modeLooks}, s.mode) {
		bad = append(bad, fmt.Errorf("no mode %q", s.mode))
	}
	if err := s.nameCorpora(); err != nil {
		bad = append(bad, err)
	}
	if s.rounds < 1 || s.threads < 1 || s.results < 1 {
		bad = append(bad, errors.New("-rounds, -threads and -results must be 1 or more"))
	}
	if s.reuse && (s.mode != modeQuery || s.dir == "" || strings.Contains(s.kinds, ",")) {
		bad = append(bad, errors.New("-reuse needs -mode query, -dir and one corpus"))
	}
	s.keep = s.keep || s.reuse
	if err := errors.Join(bad...); err != nil {
		fmt.Fprintln(stderr, "compare:", err)
		return nil, err
	}
	return s, nil
}

// allCorpora are what figures are told of, the worst for us first: some 250 to 800 MB each.
const allCorpora = "prose:60000,blog:60000,mix:200000,x:600000"

// nameCorpora settles what is measured. Some modes measure one corpus only.
func (s *settings) nameCorpora() error {
	several := s.mode == modeRace || s.mode == modeQuery || s.mode == modeRead || s.mode == modeGuard
	switch {
	case s.kinds != "":
	case s.mode == modeGuard:
		s.kinds = guardedCorpora
	case several:
		s.kinds = allCorpora
	default:
		s.kinds = string(bench.Mix)
	}
	n := 0
	err := s.each(func(s *settings) error {
		n++
		if kind := bench.Kind(s.kind); kind != bench.Prose && kind != bench.Rich && !slices.Contains(bench.Kinds(), kind) {
			return fmt.Errorf("no kind %q", kind)
		}
		return nil
	})
	if n > 1 && !several {
		err = errors.Join(err, fmt.Errorf("-mode %s takes one kind of documents, not %s", s.mode, s.kinds))
	}
	if err == nil && n == 1 {
		err = s.each(func(one *settings) error {
			s.kind, s.results = one.kind, one.results
			return nil
		})
	}
	return err
}

// each calls do with settings for one corpus after the other.
func (s *settings) each(do func(*settings) error) error {
	for entry := range strings.SplitSeq(s.kinds, ",") {
		one := *s
		kind, number, numbered := strings.Cut(strings.TrimSpace(entry), ":")
		one.kind = kind
		if numbered {
			n, err := strconv.Atoi(number)
			if err != nil || n < 1 {
				return fmt.Errorf("-kind %s: not a number of results", entry)
			}
			one.results = n
		}
		if err := do(&one); err != nil {
			return err
		}
	}
	return nil
}

// inDirectory runs do with a directory to work in. A temporary one is gone afterwards, unless it is to be kept.
func (s *settings) inDirectory(do func() error) (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "tw2parquet-compare-*"); err != nil {
			return err
		}
		if !s.keep {
			defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
		}
	}
	return do()
}

// corpus describes the input.
func (s *settings) corpus(results, every int) bench.Corpus {
	return bench.Corpus{Seed: s.seed, Kind: bench.Kind(s.kind), Results: results, ControlEvery: every}
}

// writing are the product's flags that decide what is written and how.
func (s *settings) writing(out string) []string {
	flags := []string{"--out", out, "--compression", fmt.Sprintf("zstd:%d", s.level), "--workers", fmt.Sprint(s.threads), "--progress", "off"}
	if s.rowGroup != "" {
		flags = append(flags, "--row-group-size", s.rowGroup)
	}
	if s.fileSize != "" {
		flags = append(flags, "--file-size", s.fileSize)
	}
	return flags
}

// at is a place in the working directory.
func (s *settings) at(name string) string { return filepath.Join(s.dir, name) }
