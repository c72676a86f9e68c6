package main

import (
	"fmt"
	"slices"
	"strings"
)

// measure is what is told of a run.
type measure struct {
	name string
	of   func(cost) float64
	unit string // its format
}

var measures = []measure{
	{"wall", func(c cost) float64 { return c.Wall }, "%.2f"},
	{"cpu", func(c cost) float64 { return c.CPU }, "%.2f"},
	{"peak rss", func(c cost) float64 { return c.RSS }, "%.0f"},
}

// yardstick is the side that the others are held against: the newest tuned DuckDB, and when none takes part, the last.
func yardstick(sides []*side) *side {
	for _, name := range []string{"duckdb-2", "duckdb"} {
		for _, s := range sides {
			if s.name == name {
				return s
			}
		}
	}
	return sides[len(sides)-1]
}

// ratios of a side to another one, round by round, sorted.
func (m measure) ratios(s, base *side) []float64 {
	v := make([]float64, len(s.costs))
	for i := range v {
		v[i] = m.of(s.costs[i]) / m.of(base.costs[i])
	}
	slices.Sort(v)
	return v
}

// report is a table of medians with their spread, and the ratios of every side to the yardstick: the median of the
// ratios of each round, not the ratio of medians.
func report(sides []*side, input int64) string {
	base := yardstick(sides)
	var b strings.Builder
	row := func(cells ...string) {
		fmt.Fprintf(&b, "%-16s", cells[0])
		for _, c := range cells[1:] {
			fmt.Fprintf(&b, "  %20s", c)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nmedian (lowest to highest) of %d rounds\n", len(base.costs))
	row("", "wall s", "cpu s", "peak rss MiB", "size MB", "input MB/s")
	for _, s := range sides {
		cells := []string{s.name}
		for _, m := range measures {
			v := sorted(s.costs, m.of)
			cells = append(cells, fmt.Sprintf(m.unit+" ("+m.unit+" to "+m.unit+")", median(v), v[0], v[len(v)-1]))
		}
		wall := median(sorted(s.costs, measures[0].of))
		row(append(cells, fmt.Sprintf("%.1f", float64(s.size)/1e6), fmt.Sprintf("%.0f", float64(input)/1e6/wall))...)
	}
	fmt.Fprintf(&b, "\nratio to %s, median (lowest to highest) of the rounds' own ratios\n", base.name)
	row("", "wall", "cpu", "peak rss", "size")
	for _, s := range sides {
		if s == base {
			continue
		}
		cells := []string{s.name}
		for _, m := range measures {
			v := m.ratios(s, base)
			cells = append(cells, fmt.Sprintf("%.3f (%.3f to %.3f)", median(v), v[0], v[len(v)-1]))
		}
		row(append(cells, fmt.Sprintf("%.3f", float64(s.size)/float64(base.size)))...)
	}
	b.WriteByte('\n')
	for _, s := range sides {
		if s.note != "" {
			fmt.Fprintf(&b, "%s: %s\n", s.name, s.note)
		}
	}
	return b.String()
}

func sorted(costs []cost, of func(cost) float64) []float64 {
	v := make([]float64, len(costs))
	for i, c := range costs {
		v[i] = of(c)
	}
	slices.Sort(v)
	return v
}

// median of sorted values.
func median(v []float64) float64 {
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
