package sink

import (
	"errors"
	"fmt"
	"strings"

	"tw2parquet/sink/store"
)

// ErrLocked says that another runner works on the same run.
var ErrLocked = errors.New("another run of the same request is active")

// ErrForeign matches every *ForeignError.
var ErrForeign = errors.New("not what this run left here")

// ErrMissing matches the *ForeignError of a file that was published and is gone.
var ErrMissing = errors.New("a published file is missing")

// ErrDropped matches the *ForeignError of a run that was dropped, wholly. Nothing is written to it any more.
var ErrDropped = errors.New("the run was dropped")

// ErrMisuse is returned for calls that break the contract of Output: they are bugs of the caller,
// and nothing was written.
var ErrMisuse = errors.New("sink used against its contract")

// errDiscarded is what a file that an earlier error ended answers to everything but Rewind.
var errDiscarded = errors.New("the open file was given up after an earlier error; what it held will be read again")

// errOvertaken says that an earlier start of this run, which is dead, published the file that is open: its last
// request arrived only now. The chain goes on behind that file (Overtaken, Rewind). For a caller that cannot read
// its results again it is ErrLocked: the next start goes on there.
var errOvertaken = fmt.Errorf("%w, or was until just now: a file of this run arrived late", ErrLocked)

// errPublishUnclear is what an Output answers after a publication failed half way: whether the file
// is visible is known only to a new Open.
var errPublishUnclear = errors.New("an earlier publication failed; start again to find out what is visible")

// ForeignError names a file that this run did not leave there as it is found: damaged, missing,
// out of place, or written by a newer version. Nothing was touched.
type ForeignError struct {
	Path   string
	Reason string
	Hint   string // what to do about it

	damaged bool // a file of this run that can be written again
	gone    bool
	dropped bool
	seq     int // its number, where damaged files are collected
}

func (e *ForeignError) Error() string { return store.Printable(e.Path) + ": " + e.Reason }

// Is makes errors.Is(err, ErrForeign) work, and ErrMissing and ErrDropped.
func (e *ForeignError) Is(target error) bool {
	return target == ErrForeign || target == ErrMissing && e.gone || target == ErrDropped && e.dropped
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
