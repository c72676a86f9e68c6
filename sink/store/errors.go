package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Error is a failure of the place the files go to. Nothing published was touched.
type Error struct {
	Op   string // what was tried: "write", "sync", "link" …
	Path string // what a person would look for
	Err  error
	Hint string // what to do about it; may be empty
	// Full: no space, no quota, or over a file size limit.
	Full bool
	// ReadOnly: read-only file system or missing permission.
	ReadOnly bool
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, Printable(e.Path), Cause(e.Err))
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same run may succeed without anybody changing something first.
func (e *Error) Retryable() bool {
	for _, transient := range []error{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE, syscall.EINTR, ErrUnclear} {
		if errors.Is(e.Err, transient) {
			return true
		}
	}
	return false
}

// wrap types err once. path is what a person would look for; the paths inside os errors are relative
// to the output and dropped. nil stays nil.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*Error)(nil); errors.As(err, &known) || errors.Is(err, ErrHeld) {
		return err
	}
	e := &Error{Op: op, Path: path, Err: err}
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC):
		e.Full, e.Hint = true, "free some space or choose another output, then run again: nothing is bought twice"
	case is(syscall.EDQUOT):
		e.Full, e.Hint = true, "the disk quota is used up; raise it or choose another output, then run again"
	case is(syscall.EFBIG):
		e.Full, e.Hint = true, "a file size limit of the process or the file system was reached; choose a smaller --file-size"
	case is(syscall.EROFS):
		e.ReadOnly, e.Hint = true, "the file system is read-only; choose another output or mount it writable"
	case is(fs.ErrPermission):
		e.ReadOnly, e.Hint = true, "the user of this process lacks permission; check owner and mode of the directories"
	case is(syscall.EXDEV):
		e.Hint = "data and " + StateDir + " must lie on one file system: no mount point inside the output"
	case is(syscall.ENAMETOOLONG):
		e.Hint = "choose a shorter output path"
	case is(syscall.ENOTDIR):
		e.Hint = "part of the path is not a directory"
	case is(syscall.ELOOP) || strings.Contains(fmt.Sprint(Cause(err)), "escapes"):
		e.Hint = "symbolic links inside the output are not followed"
	case is(syscall.EMFILE, syscall.ENFILE):
		e.Hint = "raise the limit of open files"
	}
	return e
}

// Cause is err without the path that os adds, which a message with a name of its own would repeat.
func Cause(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	for {
		switch {
		case errors.As(err, &pe):
			err = pe.Err
		case errors.As(err, &le):
			err = le.Err
		default:
			return err
		}
	}
}

// Printable is text from outside, such as a path or a title, that cannot play tricks on a terminal or a log:
// control characters, marks that change the direction of text, and invalid UTF-8 become escapes.
func Printable(text string) string {
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
