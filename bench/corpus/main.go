// Command corpus writes the benchmark corpus to a file: a recorded collector stream of generated
// documents.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"tw2parquet/bench"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("corpus", flag.ContinueOnError)
	flags.SetOutput(stderr)
	results := flags.Int("results", 200000, "number of results")
	kind := flags.String("kind", string(bench.Mix), fmt.Sprintf("documents, one of %v, %s (mix with hashtags, links, emoji, quotations and notices) or %s (with real texts, found on this machine)", bench.Kinds(), bench.Rich, bench.Prose))
	seed := flags.Uint64("seed", 1, "same seed, same bytes")
	every := flags.Int("control-every", 0, "results between control chunks (0: 1,000; -1: none before the last)")
	out := flags.String("out", "-", "file, or - for standard output")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	corpus := bench.Corpus{Seed: *seed, Kind: bench.Kind(*kind), Results: *results, ControlEvery: *every}
	if err := write(corpus, *out, stdout); err != nil {
		fmt.Fprintln(stderr, "corpus:", err)
		return 1
	}
	return 0
}

func write(c bench.Corpus, out string, stdout io.Writer) (err error) {
	w := stdout
	if out != "-" {
		f, err := os.Create(out)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(f); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	}
	_, err = c.WriteTo(w)
	return err
}
