package store

import (
	"fmt"
	"strings"
)

// Class is what is wrong, as far as it matters for what to do.
type Class string

// The classes of a RemoteError. Each is the end of a Code.
const (
	Failed            Class = "failed"             // anything else
	Denied            Class = "denied"             // a permission is missing, or the credentials are not accepted
	Missing           Class = "missing"            // there is no such bucket
	WrongRegion       Class = "region"             // the bucket is elsewhere
	Expired           Class = "expired"            // credentials that were valid once
	Skew              Class = "skew"               // the clock of this machine is wrong
	Unavailable       Class = "unavailable"        // no answer, or one that asks to come again
	Quota             Class = "quota"              // the store takes no more
	WithoutConditions Class = "without_conditions" // ErrWithoutConditions
)

// RemoteError is a failure of an object store. It never holds a secret: drivers fill it field by field, and
// whatever text they take from elsewhere is scrubbed.
type RemoteError struct {
	Op     string // what was asked for, in the store's words: "PutObject"
	URL    string // of the bucket or object, without parameters
	Class  Class
	Status int    // of HTTP; 0: no answer came
	Reason string // the store's own code, "SlowDown"
	// RequestID is what the store's operators look for; "" if no answer came.
	RequestID string
	// Advice says in one line what to do about it; may be empty.
	Advice string
	// Err is the cause, without secrets; may be nil.
	Err error
}

func (e *RemoteError) Error() string {
	var what []string
	if e.Status != 0 {
		what = append(what, fmt.Sprint(e.Status))
	}
	if e.Reason != "" {
		what = append(what, Printable(e.Reason))
	}
	said := strings.Join(what, " ")
	if e.Err != nil {
		if said != "" {
			said += ": "
		}
		said += Printable(e.Err.Error())
	}
	s := fmt.Sprintf("%s %s: %s", e.Op, Printable(e.URL), said)
	if e.RequestID != "" {
		s += fmt.Sprintf(" [request %s]", Printable(e.RequestID))
	}
	if e.Advice != "" {
		s += " (" + e.Advice + ")"
	}
	return s
}

func (e *RemoteError) Unwrap() error { return e.Err }

// Code is the kind of the failure for programs: "store_denied", "store_unavailable" …
func (e *RemoteError) Code() string { return "store_" + string(e.Class) }

// Retryable reports whether the same run may succeed without anybody changing something first. Credentials
// that expired are fetched anew by the next process.
func (e *RemoteError) Retryable() bool { return e.Class == Unavailable || e.Class == Expired }
