package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// longer is how many times as long the long streams are, and mayGrow what their peak memory may be of that
	// of the short ones. Single runs scatter by some percent.
	longer  = 10
	mayGrow = 1.10
)

// memory runs the product over short and long streams, with control chunks and without one before the end, from
// standard input and over HTTP, and fails where a long one takes more memory than a tenth above the short
// one's.
func (s *settings) memory(ctx context.Context) error {
	fmt.Fprintf(s.stdout, "%d times the stream, %d threads, zstd %d, %d rounds\n\n%-36s  %9s  %9s  %22s  %5s\n", longer, s.threads, s.level, max(1, s.rounds),
		"", "results", "wall s", "peak rss MiB", "ratio")
	exported := min(s.results, maxResults/longer)
	var bad []error
	for _, stream := range []stream{
		{"convert", s.results, s.every, s.convertStream},
		{"convert, no control chunk", s.results, -1, s.convertStream},
		{"export", exported, s.every, s.exportStream},
		{"export, no control chunk", exported, -1, s.exportStream},
	} {
		short, long, err := s.grow(ctx, stream)
		if err != nil {
			return err
		}
		if ratio := long / short; ratio > mayGrow {
			bad = append(bad, fmt.Errorf("%s: peak memory is %.2f times that of the short stream, more than %.2f", stream.name, ratio, mayGrow))
		}
	}
	return errors.Join(bad...)
}

// stream is a way for results to come in, a control chunk every so many.
type stream struct {
	name    string
	results int
	every   int
	run     func(ctx context.Context, results, every int) (cost, error)
}

// grow runs a short stream and a long one in turn, and returns the medians of their peak memories.
func (s *settings) grow(ctx context.Context, stream stream) (short, long float64, err error) {
	factors := []int{1, longer}
	costs := make([][]cost, len(factors))
	for range max(1, s.rounds) {
		for i, factor := range factors {
			c, err := stream.run(ctx, factor*stream.results, stream.every)
			if err != nil {
				return 0, 0, err
			}
			costs[i] = append(costs[i], c)
		}
	}
	for i, factor := range factors {
		peaks := sorted(costs[i], func(c cost) float64 { return c.RSS })
		wall := median(sorted(costs[i], func(c cost) float64 { return c.Wall }))
		if long = median(peaks); i == 0 {
			short = long
		}
		fmt.Fprintf(s.stdout, "%-36s  %9d  %9.2f  %5.1f (%.1f to %.1f)  %5.2f\n", stream.name, factor*stream.results, wall, long, peaks[0], peaks[len(peaks)-1], long/short)
	}
	return short, long, nil
}

// convertStream pipes a corpus into the product, so that no disk has to hold it.
func (s *settings) convertStream(ctx context.Context, results, every int) (cost, error) {
	out := s.at("out-memory")
	side := &side{name: "convert", out: out, command: append([]string{s.binary, "convert", "-"}, s.writing(out)...),
		input: func(w io.Writer) error {
			_, err := s.corpus(results, every).WriteTo(w)
			return err
		}}
	c, err := side.measure(ctx)
	return c, errors.Join(err, os.RemoveAll(out))
}

// exportStream reads from an emulator in a process of its own.
func (s *settings) exportStream(ctx context.Context, results, every int) (c cost, err error) {
	a, err := s.serve(ctx, results, every)
	if err != nil {
		return cost{}, err
	}
	defer func() {
		_, stopped := a.stop()
		err = errors.Join(err, stopped)
	}()
	side := s.exportTo(a, "export", s.at("out-memory"))
	c, err = side.measure(ctx)
	return c, errors.Join(err, os.RemoveAll(side.out))
}
