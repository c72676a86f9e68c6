package main

import (
	"fmt"
	"slices"
	"strings"
)

// report is a table of medians with their spread, and the ratios of every side to the tuned DuckDB (or, when it
// takes no part, to the last side): the median of the ratios of each round, not the ratio of medians.
func report(sides []*side, input int64) string {
	base := sides[len(sides)-1]
	for _, s := range sides {
		if s.name == "duckdb" {
			base = s
		}
	}
	var b strings.Builder
	row := func(cells ...string) {
		fmt.Fprintf(&b, "%-16s", cells[0])
		for _, c := range cells[1:] {
			fmt.Fprintf(&b, "  %20s", c)
		}
		b.WriteByte('\n')
	}
	measures := []struct {
		name string
		of   func(cost) float64
		unit string
	}{
		{"wall s", func(c cost) float64 { return c.Wall }, "%.2f"},
		{"cpu s", func(c cost) float64 { return c.CPU }, "%.2f"},
		{"peak rss MiB", func(c cost) float64 { return c.RSS }, "%.0f"},
	}
	fmt.Fprintf(&b, "\nmedian (lowest to highest) of %d rounds\n", len(base.costs))
	row("", measures[0].name, measures[1].name, measures[2].name, "size MB", "input MB/s")
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
			v := make([]float64, len(s.costs))
			for i := range v {
				v[i] = m.of(s.costs[i]) / m.of(base.costs[i])
			}
			slices.Sort(v)
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
