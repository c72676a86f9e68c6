package dataset

import (
	"errors"
	"io"
	"io/fs"
	"strings"

	"tw2parquet/sink/store"
)

// unreadable says why a file could not be opened or read, without its path.
func unreadable(err error) string {
	var typed *store.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it was published but is missing"
	case errors.Is(err, store.ErrNotRegular):
		return store.ErrNotRegular.Error()
	case errors.Is(err, errNoRunDir), errors.Is(err, errNoState):
		return err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "it shrank while it was being read"
	case errors.As(err, &typed):
		err = typed.Err
	}
	return "it cannot be read: " + clean(store.Cause(err).Error())
}

// maxReason bounds a reason that holds text of a library or a file.
const maxReason = 200

// clean makes text of others fit for one line of a terminal.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}
