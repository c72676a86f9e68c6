package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// looks holds the commands that look at an output against the conversion that wrote it.
func (s *settings) looks(ctx context.Context) (err error) {
	input := s.at("corpus.jsonl")
	size, err := s.record(input)
	if err != nil {
		return err
	}
	lake := &side{name: "convert", out: s.at("lake"), command: append([]string{s.binary, "convert", input}, s.writing(s.at("lake"))...)}
	if !s.keep {
		defer func() { err = errors.Join(err, os.Remove(input), os.RemoveAll(lake.out)) }()
	}
	if _, err := lake.measure(ctx); err != nil {
		return err
	}
	sides := []*side{
		{name: "verify", command: []string{s.binary, "verify", lake.out}, note: "every byte, page and value"},
		{name: "cat", command: []string{s.binary, "cat", lake.out}, note: "every document, to /dev/null"},
		{name: "report", command: []string{s.binary, "report", lake.out, "--html", "-", "--progress", "off"}},
	}
	fmt.Fprintf(s.stdout, "corpus: %s, %d results, %.1f MB, seed %d; %d threads, %d rounds; load average before: %s\n",
		s.kind, s.results, float64(size)/1e6, s.seed, s.threads, s.rounds, load())
	for round := -1; round < s.rounds; round++ { // the first is the warm-up
		c, err := lake.measure(ctx)
		if err != nil {
			return err
		}
		if round >= 0 {
			lake.costs = append(lake.costs, c)
		}
		for _, look := range sides {
			look.size = lake.size
			c, err := metered(ctx, nil, look.command, nil, nil)
			if err != nil {
				return err
			}
			if round >= 0 {
				look.costs = append(look.costs, c)
			}
		}
	}
	_, err = io.WriteString(s.stdout, report(append(sides, lake), size))
	return err
}
