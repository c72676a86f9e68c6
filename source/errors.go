package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// Class says what an error means for the run. The values are the exit codes of the command.
type Class int

// The classes, each with what the caller may still do.
const (
	ClassUsage       Class = 2  // the request or configuration is wrong; nothing was called
	ClassAuth        Class = 10 // token missing, invalid or without rights
	ClassCredits     Class = 11 // no credits left
	ClassRejected    Class = 12 // the API refused the request; sending it again changes nothing
	ClassUnavailable Class = 20 // network, server or rate limit; later it may work
	ClassStream      Class = 21 // the result stream kept breaking
	ClassLocked      Class = 30 // somebody else is at it
	ClassPending     Class = 31 // the export task still runs, and is not waited for any longer
	ClassTask        Class = 40 // the export task is gone
	ClassExpired     Class = 43 // the collector's data is gone before all was read
	ClassAmbiguous   Class = 44 // it cannot be told whether an export was bought
	ClassForeign     Class = 53 // a collector under our name is not ours
)

var (
	// ErrNotFound is wrapped where the API said, in its own envelope, that the thing does not exist.
	ErrNotFound = errors.New("not found")
	// ErrRewind says that the stream broke after a batch without an offset had been handed out.
	ErrRewind = errors.New("stream broke after results without an offset: discard them and read again")
	// ErrReplay says that results which were read before do not come again as they came.
	ErrReplay = errors.New("the collector does not give the same results again")
)

// retry says what may be done about an error within the process.
type retry int

const (
	retryNever   retry = iota
	retryBackoff       // soon, a little later each time
	retryLimited       // after a rate limit's minute
)

// Error is every failure of this package, except a done context. No part of it holds the token, a
// query string or unbounded server text.
type Error struct {
	Class     Class
	Code      int    // the API's status_code, 0 if there was none
	HTTP      int    // the HTTP status, 0 if there was no answer
	Op        string // method and path template
	RequestID string // the server's, to be quoted to support
	Message   string // what happened: scrubbed, escaped, at most 500 bytes
	Hint      string // what to do about it; may be empty
	Retryable bool   // running the same thing again, later, may help
	Err       error  // ErrNotFound and the like, or nil; never a *url.Error

	retry retry
	after time.Duration // how long the server asked to be left alone (Retry-After), 0 if it did not
	sent  bool          // a request may have reached the server
	bare  bool          // the answer was not an envelope
}

// Error tells the operation, what happened, and the numbers to look it up by.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Message)
	var facts []string
	if e.Code != 0 {
		facts = append(facts, "code "+strconv.Itoa(e.Code))
	}
	if e.HTTP != 0 && e.HTTP != 200 {
		facts = append(facts, "HTTP "+strconv.Itoa(e.HTTP))
	}
	if e.RequestID != "" {
		facts = append(facts, "request "+e.RequestID)
	}
	if len(facts) > 0 {
		b.WriteString(" (" + strings.Join(facts, ", ") + ")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// meaning is a row of the API's error table (Talkwalker API, error codes page).
type meaning struct {
	class    Class
	retry    retry
	rejected bool // the server certainly did not do what was asked
	hint     string
}

// meanings holds every code that is listed. 401 is shared by 7, 8 and 9, so the HTTP status is never
// asked when there is a code.
var meanings = map[int]meaning{
	1:  {ClassUnavailable, retryBackoff, false, "the server failed; quote the request id to support if it lasts"},
	2:  {ClassUnavailable, retryBackoff, false, "the search failed; if it lasts, simplify the query"},
	3:  {ClassRejected, retryNever, true, ""},
	4:  {ClassRejected, retryNever, true, "correct the query's syntax"},
	5:  {ClassRejected, retryNever, true, ""},
	7:  {ClassAuth, retryNever, true, "the token is missing, wrong or inactive"},
	8:  {ClassUnavailable, retryLimited, true, "the call limit is reached: is another process using this token?"},
	9:  {ClassCredits, retryNever, true, "no credits left: wait for the monthly reset or top up"},
	10: {ClassAuth, retryNever, true, "the API application is inactive"},
	11: {ClassAuth, retryNever, true, "no such project is linked to this token: see `projects`"},
	12: {ClassAuth, retryNever, true, "the project's application is inactive or deleted"},
	13: {ClassAuth, retryNever, true, "a read_write token is needed"},
	15: {ClassRejected, retryNever, true, ""},
	16: {ClassRejected, retryNever, true, ""},
	17: {ClassRejected, retryNever, true, ""},
	18: {ClassRejected, retryNever, true, ""},
	19: {ClassRejected, retryNever, true, ""},
	20: {ClassRejected, retryNever, true, "too many streams or collectors exist: delete leftovers"},
	21: {ClassRejected, retryNever, true, ""},
	22: {ClassRejected, retryNever, true, ""},
	23: {ClassRejected, retryNever, true, ""},
	24: {ClassLocked, retryNever, false, "a newer reader took this stream over; let it finish"},
	25: {ClassStream, retryBackoff, false, ""},
	26: {ClassRejected, retryNever, true, "is the base URL right?"},
	27: {ClassRejected, retryNever, true, "the API wants HTTPS"},
	28: {ClassRejected, retryNever, true, ""},
	29: {ClassAuth, retryNever, true, "this token may not use the project"},
	30: {ClassUnavailable, retryLimited, true, "too many streams are open: close other readers"},
}

// classify is the one place that turns an answer of the API into an error. code is its status_code (-1
// when there was no envelope), status the HTTP status.
func classify(op string, status, code int, message string) *Error {
	e := &Error{Code: max(code, 0), HTTP: status, Op: op, Message: message, sent: true, bare: code < 0}
	if m, known := meanings[code]; known {
		e.Class, e.retry, e.Hint = m.class, m.retry, m.hint
		e.sent = !m.rejected
	} else {
		switch {
		case status == 429: // a throttle in front of the API, which answers 401 itself
			e.Class, e.retry, e.sent, e.Hint = ClassUnavailable, retryLimited, false, meanings[8].hint
		case status >= 300 && status < 400:
			// Following would hand the token to whoever is named, so the place is not even looked at.
			e.Class = ClassUnavailable
			e.Message = "the answer is a redirect, which is never followed"
			e.Hint = "check the base URL and the proxy"
		case code > 0 && status >= 400 && status < 500:
			e.Class = ClassRejected // a code that is not listed, with a status that blames the request
		default:
			// No envelope, or one that contradicts itself: a proxy's page or a failing server.
			e.Class, e.retry = ClassUnavailable, retryBackoff
		}
	}
	if status == 404 && code > 0 {
		e.Err = ErrNotFound
	}
	switch e.Class {
	case ClassUnavailable, ClassStream, ClassLocked:
		e.Retryable = true
	}
	if e.Message == "" {
		e.Message = "no reason given"
	}
	return e
}

// transportError describes a request that got no answer. Only its text is kept, scrubbed: what net/http
// returns prints the whole URL, the token in it.
func (c *Client) transportError(op string, err error) *Error {
	e := &Error{Class: ClassUnavailable, Op: op, Message: c.describe(err), Retryable: true, retry: retryBackoff, sent: true}
	var (
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	if errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) {
		e.retry, e.sent = retryNever, false // nobody repairs a certificate within a retry
		e.Hint = "the server's certificate is not trusted: check the base URL, the proxy and the system's CA files"
	}
	return e
}

// neverSent reports whether err proves that no connection came about.
func neverSent(err error) bool {
	var (
		dns    *net.DNSError
		op     *net.OpError
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
	)
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &record) || errors.As(err, &verify)
}

// describe is the text of an error of the network, without URL and token. The layers of *url.Error are
// taken off, since each prints the URL.
func (c *Client) describe(err error) string {
	for {
		var u *url.Error
		if !errors.As(err, &u) || u.Err == nil {
			break
		}
		err = u.Err
	}
	switch {
	case errors.Is(err, errIdle), errors.Is(err, errTimeout):
		return err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection broke off"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return c.clean(urlQuery.ReplaceAllString(err.Error(), "?***"))
}

// urlQuery finds what follows the path of any URL that an error quotes.
var urlQuery = regexp.MustCompile(`\?[A-Za-z0-9_.~%-]+=[^\s"']*`)

// maxText bounds what one message takes of the server's text.
const maxText = 500

// clean makes text of the server fit for a terminal and a log: no token, no control characters, no
// more than maxText bytes.
func (c *Client) clean(text string) string {
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	return printable(c.token.Scrub(text), maxText)
}

// printable escapes what is not printable (control characters, invalid UTF-8, marks that change the
// direction of text) and cuts at limit bytes.
func printable(text string, limit int) string {
	var b strings.Builder
	for i, r := range text {
		var piece string
		switch _, size := utf8.DecodeRuneInString(text[i:]); {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, text[i])
		case unicode.IsPrint(r):
			piece = string(r)
		default:
			piece = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		}
		if b.Len()+len(piece) > limit-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}
