package gcs

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"tw2parquet/sink/store"
)

// permissions are what requests need.
var permissions = map[string]string{
	opInsert: "storage.objects.create",
	opGet:    "storage.objects.get",
	opList:   "storage.objects.list",
	opDelete: "storage.objects.delete",
}

const (
	adviceMissing = "create the bucket, or check its name"
	adviceExpired = "log in again (gcloud auth application-default login), or replace the key of the service account"
	adviceSkew    = "set the clock of this machine"
	adviceQuota   = "raise the quota of the project"
)

// refused is the error of an answer that is none of those a request expects. The store's message names
// accounts and permissions. What it says of a session is left out, whose address is a secret.
func (a *answer) refused() error {
	var said struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	var reason string
	if json.Unmarshal(a.body, &said) == nil && len(said.Error.Errors) > 0 {
		reason = said.Error.Errors[0].Reason
	}
	e := a.remote(a.class(reason), nil)
	e.Reason = a.bucket.secrets.Scrub(reason)
	if m := said.Error.Message; m != "" && !a.session {
		e.Err = errors.New(a.bucket.secrets.Scrub(m))
	}
	switch e.Class {
	case store.Denied:
		e.Advice = "grant these credentials " + permissions[a.op] + " on the bucket, which the role Storage Object User has"
		if a.bucket.tokens == nil {
			e.Advice = "the request was anonymous; " + adviceNone
		}
	case store.Missing:
		e.Advice = adviceMissing
	case store.Expired:
		e.Advice = adviceExpired
	case store.Skew:
		e.Advice = adviceSkew
	case store.Quota:
		e.Advice = adviceQuota
	}
	return e
}

func (a *answer) class(reason string) store.Class {
	switch {
	case a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout, a.status >= http.StatusInternalServerError:
		return store.Unavailable
	case a.status == http.StatusUnauthorized && skewed(a.header):
		return store.Skew
	case a.status == http.StatusUnauthorized && a.bucket.tokens != nil:
		return store.Expired
	case a.status == http.StatusUnauthorized:
		return store.Denied
	case a.status == http.StatusForbidden:
		switch reason {
		case "rateLimitExceeded", "userRateLimitExceeded":
			return store.Unavailable
		case "quotaExceeded", "dailyLimitExceeded":
			return store.Quota
		}
		return store.Denied
	case a.status == http.StatusNotFound: // drivers have looked whether the object may be missing
		return store.Missing
	}
	return store.Failed
}

// failed is the error of an answer that makes no sense.
func (a *answer) failed(err error) error { return a.remote(store.Failed, err) }

// remote describes an answer. In one to a session the request's id would be the secret of its address.
func (a *answer) remote(class store.Class, err error) *store.RemoteError {
	e := &store.RemoteError{Op: a.op, URL: a.bucket.URL(a.key), Class: class, Status: a.status, Err: err}
	if !a.session {
		e.RequestID = a.header.Get("X-Guploader-Uploadid")
	}
	return e
}

// uncredited is the error of a token that was not to be had. Its text is what the OAuth standard has for it, because the
// answers of token servers have no known form.
func (b *bucket) uncredited(r request, err error) error {
	e := &store.RemoteError{Op: r.op, URL: b.URL(r.key), Class: store.Unavailable, Advice: adviceNone}
	if said := (*oauth2.RetrieveError)(nil); errors.As(err, &said) && said.Response != nil {
		e.Status, e.Reason = said.Response.StatusCode, b.secrets.Scrub(said.ErrorCode)
		text := "no token: " + said.ErrorDescription
		switch {
		case e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests:
		case skewed(said.Response.Header):
			e.Class, e.Advice = store.Skew, adviceSkew
		case said.ErrorCode == "invalid_grant":
			e.Class, e.Advice = store.Expired, adviceExpired
		default:
			e.Class = store.Denied
		}
		e.Err = errors.New(b.secrets.Scrub(text))
		return e
	}
	e.Err = errors.New("no token could be fetched with the credentials that were found")
	return e
}

// most is how far a clock may be wrong. Google allows five minutes.
const most = 5 * time.Minute

// skewed tells whether the clock of this machine is another one than the answer's.
func skewed(h http.Header) bool {
	there, err := http.ParseTime(h.Get("Date"))
	return err == nil && time.Since(there).Abs() > most
}
