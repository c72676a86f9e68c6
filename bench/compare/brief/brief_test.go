package brief

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"short":   {"exit status 2\nno such flag\n", "exit status 2\nno such flag"},
		"nothing": {"", ""},
		"binary":  {"a\x00b\xffc\x1b[31m", "a·b·c·[31m"},
		"longer":  {strings.Repeat("ä", 700) + strings.Repeat("ö", 700), strings.Repeat("ä", 600) + " … " + strings.Repeat("ö", 600)},
		"huge":    {"start" + strings.Repeat("\x01", 200<<10) + "end", "start" + strings.Repeat("·", 595) + " … " + strings.Repeat("·", 597) + "end"},
		"torn":    {strings.Repeat("€", 4000), strings.Repeat("€", 600) + " … " + strings.Repeat("€", 600)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Text(tt.text); got != tt.want || !utf8.ValidString(got) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestError(t *testing.T) {
	if Error(nil) != nil {
		t.Error("an error of nothing")
	}
	long := errors.Join(errors.New(strings.Repeat("x", 1<<20)), io.ErrUnexpectedEOF)
	if err := Error(long); len(err.Error()) > 4000 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", len(err.Error()), errors.Is(err, io.ErrUnexpectedEOF))
	}
}
