package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

// ErrLocked says that another runner works on the same run.
var ErrLocked = errors.New("another run of the same request is active")

// ErrForeign matches every *ForeignError.
var ErrForeign = errors.New("not what this run left here")

// ErrMissing matches the *ForeignError of a file that was published and is gone.
var ErrMissing = errors.New("a published file is missing")

// ErrMisuse is returned for calls that break the contract of Output: they are bugs of the caller,
// and nothing was written.
var ErrMisuse = errors.New("sink used against its contract")

// errDiscarded is what a file that an earlier error ended answers to everything but Rewind.
var errDiscarded = errors.New("the open file was given up after an earlier error; what it held is read again")

// errPublishUnclear is what an Output answers after a publication failed half way: whether the file
// is visible is known only to a new Open.
var errPublishUnclear = errors.New("an earlier publication failed; start again to find out what is visible")

// StorageError is a failure of the place the files go to. Nothing published was touched.
type StorageError struct {
	Op   string // what was tried: "write", "sync", "link" …
	Path string
	Err  error
	Hint string // what to do about it; may be empty
	// Full: no space, no quota, or over a file size limit.
	Full bool
	// ReadOnly: read-only file system or missing permission.
	ReadOnly bool
}

func (e *StorageError) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, printable(e.Path), cause(e.Err))
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func (e *StorageError) Unwrap() error { return e.Err }

// Retryable reports whether the same run may succeed without anybody changing something first.
func (e *StorageError) Retryable() bool {
	for _, transient := range []error{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE, syscall.EINTR} {
		if errors.Is(e.Err, transient) {
			return true
		}
	}
	return false
}

// ForeignError names a file that this run did not leave there as it is found: damaged, missing,
// out of place, or written by a newer version. Nothing was touched.
type ForeignError struct {
	Path   string
	Reason string
	Hint   string // what to do about it

	damaged bool // a file of this run that can be written again
	gone    bool
}

func (e *ForeignError) Error() string { return printable(e.Path) + ": " + e.Reason }

// Is makes errors.Is(err, ErrForeign) and errors.Is(err, ErrMissing) work.
func (e *ForeignError) Is(target error) bool {
	return target == ErrForeign || target == ErrMissing && e.gone
}

// DamageError names every file of the run that is missing, or no longer what was published. Nothing
// was touched. An Open with Config.Refetch can have them written again.
type DamageError struct{ Files []*ForeignError }

// maxNamed is how many files one message names.
const maxNamed = 20

func (e *DamageError) Error() string {
	if len(e.Files) == 1 {
		return e.Files[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d files are missing or damaged", len(e.Files))
	for i, f := range e.Files {
		if i == maxNamed {
			fmt.Fprintf(&b, "; and %d more", len(e.Files)-i)
			break
		}
		b.WriteString("; " + f.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As see each of them.
func (e *DamageError) Unwrap() []error {
	all := make([]error, len(e.Files))
	for i, f := range e.Files {
		all[i] = f
	}
	return all
}

// storageError types err once. path is what a person would look for; the paths inside os errors are
// relative to the output and dropped. nil stays nil.
func storageError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*StorageError)(nil); errors.As(err, &known) || errors.Is(err, ErrLocked) || errors.Is(err, ErrForeign) {
		return err
	}
	e := &StorageError{Op: op, Path: path, Err: err}
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
		e.ReadOnly, e.Hint = true, "the user of this process may not do that there; check owner and mode of the directories"
	case is(syscall.EXDEV):
		e.Hint = "data and _tw2parquet must lie on one file system: no mount point inside the output"
	case is(syscall.ENAMETOOLONG):
		e.Hint = "choose a shorter output path"
	case is(syscall.ENOTDIR):
		e.Hint = "something that is no directory stands in the path"
	case is(syscall.ELOOP) || strings.Contains(fmt.Sprint(cause(err)), "escapes"):
		e.Hint = "symbolic links inside the output are not followed"
	case is(syscall.EMFILE, syscall.ENFILE):
		e.Hint = "raise the limit of open files"
	}
	return e
}

// cause is err without the paths that os adds: they are relative to the output's root.
func cause(err error) error {
	var pe *fs.PathError
	var le *linkError
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

// printable is a path that cannot play tricks on a terminal or a log.
func printable(path string) string {
	if q := strconv.Quote(path); q != `"`+path+`"` {
		return q
	}
	return path
}
