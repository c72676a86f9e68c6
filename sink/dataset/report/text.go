package report

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// How much of a text the page shows, and of a path, whose end tells one from another.
const (
	mostRunes = 90
	mostPath  = 500
)

// mostMarks is how many marks may stand on one letter: beyond, they reach into the lines above and below.
const mostMarks = 3

// visible is a text of somebody else as the page shows it: on one line, not too long, and with every character that would act
// on what surrounds it written out. Letters of any script, and what joins them, stay as they are.
func visible(s string) string { return visibleTo(s, mostRunes) }

func visibleTo(s string, most int) string {
	var b strings.Builder
	n, marks := 0, 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if marks++; marks > mostMarks {
				continue
			}
		} else {
			marks = 0
		}
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		const joiner, nonJoiner = '\u200d', '\u200c'
		switch {
		case r == joiner, r == nonJoiner:
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteRune(' ')
		case !unicode.IsPrint(r) && !unicode.In(r, unicode.Co):
			fmt.Fprintf(&b, "\\u{%x}", r)
		default:
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "(empty)"
	}
	return b.String()
}

// number is a count for people: 20,020. The page's script writes it as the reader's language does.
func number(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// bytesText is a size for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, prefix := float64(n)/unit, 0
	for f >= unit && prefix < 3 {
		f /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[prefix])
}

// percent is a share; none of nothing.
func percent(part, whole int64) string {
	switch {
	case whole == 0:
		return "–"
	case part == 0:
		return "0%"
	case part == whole:
		return "100%"
	}
	share := 100 * float64(part) / float64(whole)
	switch {
	case share < 0.1:
		return "<0.1%"
	case share > 99.9:
		return ">99.9%"
	case share < 10 || share > 90:
		return fmt.Sprintf("%.1f%%", share)
	}
	return fmt.Sprintf("%.0f%%", share)
}

// plural is a count with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "ry"); ok {
		noun = stem + "rie"
	}
	return number(n) + " " + noun + "s"
}

// date is a day, or an instant that is not a midnight.
func date(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format("2 Jan 2006")
	}
	return t.Format("2 Jan 2006 15:04")
}

// left is how long something lasts.
func left(seconds int64) string {
	switch {
	case seconds <= 0:
		return "expired"
	case seconds < 2*daySeconds:
		return fmt.Sprintf("%d h", seconds/3600)
	}
	return fmt.Sprintf("%d days", seconds/daySeconds)
}

// shortNumber is a limit of a bucket: 10k, 1M.
func shortNumber(n int64) string {
	for _, x := range []struct {
		size int64
		name string
	}{{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= x.size {
			return fmt.Sprintf("%d%s", n/x.size, x.name)
		}
	}
	return fmt.Sprint(n)
}

// name is what a bucket of counts is called.
func (b Bucket) name() string {
	switch {
	case b.From == nil && b.To == nil:
		return "not known"
	case b.From == nil:
		return "below 0"
	case b.To == nil:
		return shortNumber(*b.From) + " or more"
	case *b.To == *b.From+1:
		return fmt.Sprint(*b.From)
	case *b.From == 1:
		return "1 to 9"
	}
	return shortNumber(*b.From) + " to " + shortNumber(*b.To)
}

// delay is what a bucket of seconds is called.
func (b Bucket) delay() string {
	span := func(s int64) string {
		if s < daySeconds {
			return plural(s/3600, "hour")
		}
		return plural(s/daySeconds, "day")
	}
	switch {
	case b.From == nil && b.To == nil:
		return "not known"
	case b.From == nil:
		return "before it was published"
	case b.To == nil:
		return span(*b.From) + " or more"
	case *b.From == 0:
		return "less than " + span(*b.To)
	}
	return span(*b.From) + " to " + span(*b.To)
}

// size is what a bucket of bytes is called.
func (s FileSize) size() string { return bytesText(s.From) + " to " + bytesText(s.To) }
