package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// standing is how far a run is, over all its windows.
type standing struct {
	dated         bool // it goes by windows
	done, total   int  // windows
	fraction      float64
	got, expected int64 // results of the tasks that are being read; expected is 0 if that is not known
	estimate      bool  // a task has not ended, expected is what it will probably be
	moved         int64 // results in this process
	rows, bytes   int64
	processed     int64
	left          int64 // results still to come, the windows that have not begun included; 0: not known
	elapsed       time.Duration
}

const gauge = 24 // columns, where there is room

// settled is how long a rate has to last before it tells how long the rest takes.
const settled = 2 * time.Second

// bar is the line that moves. On a narrow screen it leaves out what is least missed.
func (t standing) bar(columns int) string {
	type part struct {
		text string
		rank int // 0 stays longest
	}
	parts := []part{{t.gauge(gauge), 4}}
	if t.dated {
		parts = append(parts, part{fmt.Sprintf("%d/%d windows", t.done, t.total), 0})
	}
	if t.expected > 0 {
		about := ""
		if t.estimate {
			about = "~"
		}
		parts = append(parts, part{fmt.Sprintf("%d%% of %s%s", 100*t.got/t.expected, about, countText(t.expected)), 1})
	}
	parts = append(parts, part{rowsText(t.rows), 2})
	rate := 0.0
	if seconds := t.elapsed.Seconds(); t.moved > 0 && seconds >= 1 {
		rate = float64(t.moved) / seconds
		parts = append(parts, part{countText(int64(rate)) + "/s", 3})
	}
	if rate > 0 && t.left > 0 && t.elapsed >= settled {
		parts = append(parts, part{"~" + durationText(time.Duration(float64(t.left)/rate*float64(time.Second))) + " left", 1})
	} else {
		parts = append(parts, part{durationText(t.elapsed), 5})
	}
	for {
		texts := make([]string, len(parts))
		worst := 0
		for i, p := range parts {
			texts[i] = p.text
			if p.rank >= parts[worst].rank {
				worst = i
			}
		}
		line := strings.Join(texts, "  ")
		if displayed(line) <= columns || len(parts) == 1 {
			return fit(line, columns)
		}
		parts = slices.Delete(parts, worst, worst+1)
	}
}

func (t standing) gauge(width int) string {
	full := int(t.fraction * float64(width))
	return "[" + strings.Repeat("█", full) + strings.Repeat("·", width-full) + "]"
}

// last is what stays of the bar.
func (t standing) last() string {
	var parts []string
	if t.dated {
		parts = append(parts, fmt.Sprintf("%d of %d windows", t.done, t.total))
	}
	if t.moved == 0 {
		return strings.Join(append(parts, "nothing read"), "  ") // complete before, or failed
	}
	parts = append(parts, rowsText(t.rows), bytesText(t.bytes)+" read in "+durationText(t.elapsed))
	if seconds := t.elapsed.Seconds(); seconds >= 1 {
		parts = append(parts, countText(int64(float64(t.moved)/seconds))+"/s")
	}
	return strings.Join(parts, "  ")
}

func rowsText(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return countText(n) + " rows"
}

// countText is a number for people: 20,020.
func countText(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// durationText is a time for people: 42s, 3m20s, 2h05m.
func durationText(d time.Duration) string {
	s := int64(d.Round(time.Second).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}
