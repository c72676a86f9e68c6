package pipeline

import (
	"testing"
	"testing/quick"
	"time"

	"tw2parquet/source"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestWindows_CutAtCalendarBoundaries(t *testing.T) {
	for _, c := range []struct {
		split       Split
		start, stop string
		want        []string // starts, then the last stop
	}{
		{SplitNone, "2024-01-05T10:00:00Z", "2024-03-02T00:00:00Z", []string{"2024-01-05T10:00:00Z", "2024-03-02T00:00:00Z"}},
		{SplitMonth, "2024-01-01T00:00:00Z", "2024-04-01T00:00:00Z", []string{"2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z"}},
		{SplitMonth, "2023-12-31T23:59:59Z", "2024-01-01T00:00:01Z", []string{"2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z"}},
		{SplitWeek, "2024-02-28T12:00:00Z", "2024-03-05T00:00:00Z", []string{"2024-02-28T12:00:00Z", "2024-03-04T00:00:00Z", "2024-03-05T00:00:00Z"}},
		{SplitWeek, "2024-03-03T00:00:00Z", "2024-03-04T00:00:00Z", []string{"2024-03-03T00:00:00Z", "2024-03-04T00:00:00Z"}},
		{SplitDay, "2024-02-28T12:00:00Z", "2024-03-01T06:00:00Z", []string{"2024-02-28T12:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T06:00:00Z"}},
	} {
		got, err := Windows(source.Request{Start: at(c.start), Stop: at(c.stop)}, c.split)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(c.want)-1 {
			t.Fatalf("%s %s..%s: %d windows, want %d", c.split, c.start, c.stop, len(got), len(c.want)-1)
		}
		for i, w := range got {
			if !w.Start.Equal(at(c.want[i])) || !w.Stop.Equal(at(c.want[i+1])) {
				t.Errorf("%s window %d is [%s, %s), want [%s, %s)", c.split, i, w.Start, w.Stop, c.want[i], c.want[i+1])
			}
		}
	}
	if _, err := Windows(source.Request{Start: at("2024-01-01T00:00:00Z"), Stop: at("2024-01-02T00:00:00Z")}, "year"); err == nil {
		t.Error("an unknown split was accepted")
	}
}

// The windows of any range are contiguous, not empty, and cover it exactly: a gap would lose
// documents, an overlap would be paid twice.
func TestWindows_CoverAnyRangeExactlyOnce(t *testing.T) {
	property := func(startMS uint32, lengthMinutes uint16, pick uint8) bool {
		start := time.UnixMilli(1_600_000_000_000 + int64(startMS)).UTC()
		stop := start.Add(time.Duration(lengthMinutes)*time.Minute + time.Millisecond)
		split := []Split{SplitNone, SplitDay, SplitWeek, SplitMonth}[pick%4]
		ws, err := Windows(source.Request{Start: start, Stop: stop}, split)
		if err != nil || len(ws) == 0 {
			return false
		}
		at := start
		for _, w := range ws {
			if !w.Start.Equal(at) || !w.Start.Before(w.Stop) {
				return false
			}
			at = w.Stop
		}
		return at.Equal(stop)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestPartitionName(t *testing.T) {
	for in, want := range map[string]string{
		"2024-01-01T00:00:00Z":      "2024-01-01",
		"2024-01-01T01:00:00+01:00": "2024-01-01",
		"2024-01-01T10:30:00Z":      "2024-01-01%2010%3A30%3A00",
		"2024-01-01T10:30:00+01:00": "2024-01-01%2009%3A30%3A00",
		"2024-01-01T10:30:00.25Z":   "2024-01-01%2010%3A30%3A00.25",
		"2024-01-01T00:00:00.001Z":  "2024-01-01%2000%3A00%3A00.001",
	} {
		if got := PartitionName(at(in)); got != want {
			t.Errorf("PartitionName(%s) = %s, want %s", in, got, want)
		}
	}
}
