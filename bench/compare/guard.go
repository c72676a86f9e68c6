package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// guardedCorpora are short: the guard runs every night.
const guardedCorpora = "prose:20000,blog:20000,mix:60000,x:200000"

// tolerance is by how much a ratio may grow before somebody has to look.
const tolerance = 1.10

// figures are ratios of the product to its rival, by corpus and measure.
type figures map[string]map[string]float64

// guard races the product against DuckDB, and fails where a ratio is worse than the one that was kept. Ratios of one run can be
// compared from machine to machine, where times cannot.
func (s *settings) guard(ctx context.Context) error {
	s.sides = "tw2parquet,duckdb"
	now := figures{}
	if err := s.each(func(s *settings) error {
		return s.prepared(ctx, func(sides []*side, size int64) error {
			if err := s.rotate(ctx, sides); err != nil {
				return err
			}
			now[s.kind] = measured(sides[0], sides[1])
			_, err := io.WriteString(s.stdout, report(sides, size))
			return err
		})
	}); err != nil {
		return err
	}
	if s.update {
		text, err := json.MarshalIndent(now, "", "  ") //nolint:forbidigo // figures and names of ours
		if err != nil {
			return err
		}
		return os.WriteFile(s.guarded, append(text, '\n'), 0o644)
	}
	text, err := os.ReadFile(s.guarded)
	if err != nil {
		return err
	}
	var kept figures
	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("%s: %w", s.guarded, err)
	}
	return now.worseThan(kept)
}

// measured are the medians of a side's ratios to another one.
func measured(s, rival *side) map[string]float64 {
	all := map[string]float64{"size": float64(s.size) / float64(rival.size)}
	for _, m := range measures {
		all[m.name] = median(m.ratios(s, rival))
	}
	return all
}

// worseThan names every ratio that is more than the tolerance above what was kept, and every corpus of which nothing was.
func (f figures) worseThan(kept figures) error {
	var bad []error
	for kind, all := range f {
		for name, now := range all {
			before, ok := kept[kind][name]
			switch {
			case !ok:
				bad = append(bad, fmt.Errorf("%s, %s: nothing was kept (-update does it)", kind, name))
			case now > before*tolerance:
				bad = append(bad, fmt.Errorf("%s, %s: %.3f of DuckDB's, %.3f before", kind, name, now, before))
			}
		}
	}
	return errors.Join(bad...)
}
