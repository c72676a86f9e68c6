package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestError_ClassesAndHints(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "full", syscall.EDQUOT: "full", syscall.EFBIG: "full",
		syscall.EROFS: "read-only", syscall.EACCES: "read-only", syscall.EPERM: "read-only",
		syscall.EXDEV: "", syscall.ENAMETOOLONG: "", syscall.ENOTDIR: "", syscall.ELOOP: "",
		syscall.EMFILE: "retry", syscall.ENFILE: "retry", syscall.EIO: "retry",
	} {
		for _, err := range []error{
			&fs.PathError{Op: "write", Path: "below/the/root", Err: errno},
			&os.LinkError{Op: "link", Old: "below/the/root", New: "b", Err: errno},
			fmt.Errorf("wrapped: %w", &fs.PathError{Op: "write", Path: "below/the/root", Err: errno}),
		} {
			var s *Error
			if !errors.As(wrap("write", "/out/file", err), &s) || !errors.Is(s, errno) {
				t.Fatalf("%v: %v", errno, s)
			}
			got := ""
			switch {
			case s.Full:
				got = "full"
			case s.ReadOnly:
				got = "read-only"
			case s.Retryable():
				got = "retry"
			}
			if got != want || s.Retryable() != (want == "retry") {
				t.Errorf("%v is classed %q, want %q", errno, got, want)
			}
			if s.Hint == "" && errno != syscall.EIO {
				t.Errorf("%v has no hint", errno)
			}
			if text := s.Error(); !strings.HasPrefix(text, "write /out/file: "+errno.Error()) || strings.Contains(text, "below") {
				t.Errorf("%v reads %q", errno, text)
			}
		}
	}
	if wrap("write", "x", nil) != nil {
		t.Error("no error became one")
	}
	typed := &Error{Op: "link", Path: "/a", Err: syscall.EIO}
	if got := wrap("write", "/b", typed).Error(); got != typed.Error() {
		t.Errorf("typed twice: %s", got)
	}
}

func TestPrintable_EscapesOnlyWhatPlaysTricks(t *testing.T) {
	for text, want := range map[string]string{
		`/data/a "b" \c`: `/data/a "b" \c`, "東京\u3000タワー é 🎉": "東京\u3000タワー é 🎉", "�": "�",
		"a\nb\tc": `a\nb\tc`, "\x1b[2J": `\x1b[2J`, "\x7f\u009b": `\x7f\u009b`,
		"a\u202eb": `a\u202eb`, "\u2028\u2029\u200b\ufeff": `\u2028\u2029\u200b\ufeff`, "a\xffb": `a\xffb`, "": "",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
