package pipeline

import (
	"fmt"
	"strings"
	"time"

	"tw2parquet/source"
)

// Split says how a time range is cut into windows, each of which is one export task.
type Split string

// The calendar splits. Days, weeks (from Monday) and months are those of UTC.
const (
	SplitNone  Split = "none"
	SplitDay   Split = "day"
	SplitWeek  Split = "week"
	SplitMonth Split = "month"
)

// Windows cuts the request's range at the calendar's boundaries: the windows are half open,
// contiguous, in order, and cover [Start, Stop) exactly. The request must be valid.
func Windows(r source.Request, s Split) ([]source.Request, error) {
	var out []source.Request
	for start := r.Start.UTC(); start.Before(r.Stop); {
		stop, err := s.next(start)
		if err != nil {
			return nil, err
		}
		if stop.After(r.Stop) || s == SplitNone {
			stop = r.Stop.UTC()
		}
		w := r
		w.Start, w.Stop = start, stop
		out = append(out, w)
		start = stop
	}
	return out, nil
}

// next is the first calendar boundary after t.
func (s Split) next(t time.Time) (time.Time, error) {
	y, m, d := t.Date()
	switch s {
	case SplitNone:
		return t, nil
	case SplitDay:
		return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC), nil
	case SplitWeek:
		sinceMonday := (int(t.Weekday()) + 6) % 7
		return time.Date(y, m, d-sinceMonday+7, 0, 0, 0, 0, time.UTC), nil
	case SplitMonth:
		return time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	return time.Time{}, fmt.Errorf("split %q is not one of none, day, week, month", string(s))
}

// Last is the latest of the calendar's boundaries that is not after t. Auto has those of days.
func (s Split) Last(t time.Time) (time.Time, error) {
	t = t.UTC()
	y, m, d := t.Date()
	switch s {
	case SplitDay, SplitAuto:
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), nil
	case SplitWeek:
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, time.UTC), nil
	case SplitMonth:
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), nil
	}
	return time.Time{}, fmt.Errorf("split %q has no boundaries", string(s))
}

// PartitionName is a window's value of the hive column window_start: the date of a UTC midnight, else the
// instant in UTC as SQL writes a timestamp, "2024-01-01 12:00:00.25", with space and colons escaped. Engines
// take the escapes out of a hive value, and this text is the only one that DuckDB, Spark, Hive and Trino all
// cast: nothing without colons is a time to DuckDB, nothing with a T to Trino. Colons as they are break
// Hadoop's paths. DuckDB itself names folders of timestamps like this. Two windows of one output never share a
// folder unless they start at the same millisecond, the finest that a window knows.
func PartitionName(start time.Time) string {
	start = start.UTC()
	if start.Equal(start.Truncate(24 * time.Hour)) {
		return start.Format("2006-01-02")
	}
	return partitionEscapes.Replace(start.Format("2006-01-02 15:04:05.999"))
}

var partitionEscapes = strings.NewReplacer(" ", "%20", ":", "%3A")
