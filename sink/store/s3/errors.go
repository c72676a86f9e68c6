package s3

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// credentials notes what it passes on, and marks its errors.
type credentials struct {
	from    aws.CredentialsProvider
	secrets *object.Secrets
	had     atomic.Bool
}

// noCredentials is an error of those who give credentials, and not of the store.
type noCredentials struct {
	error
	had bool // there were some before
}

func (e *noCredentials) Unwrap() error { return e.error }

func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := c.from.Retrieve(ctx)
	if err != nil {
		return got, &noCredentials{err, c.had.Load()}
	}
	c.had.Store(true)
	c.secrets.Add(got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
	return got, nil
}

// broken is a body that ended early.
type broken struct{ error }

func (e *broken) Unwrap() error { return e.error }

// actions are the permissions that requests need.
var actions = map[string]string{
	"PutObject": "s3:PutObject", "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject",
	"GetObject": "s3:GetObject", "ListObjectsV2": "s3:ListBucket", "DeleteObject": "s3:DeleteObject",
	"ListMultipartUploads": "s3:ListBucketMultipartUploads", "AbortMultipartUpload": "s3:AbortMultipartUpload",
}

// answers are the codes of S3, and of stores like it, that mean one thing whatever was asked.
var answers = map[string]error{
	"PreconditionFailed":         fs.ErrExist,
	"ConditionalRequestConflict": object.ErrConflict,
	"OperationAborted":           object.ErrConflict,
	"NoSuchKey":                  fs.ErrNotExist,
	"NoSuchUpload":               object.ErrNoUpload,
	"InvalidRange":               io.ErrUnexpectedEOF,
}

var classes = map[string]store.Class{
	"NoSuchBucket": store.Missing,

	"AccessDenied": store.Denied, "AllAccessDisabled": store.Denied, "AccountProblem": store.Denied, "InvalidAccessKeyId": store.Denied,
	"SignatureDoesNotMatch": store.Denied, "InvalidToken": store.Denied, "InvalidSecurity": store.Denied, "NotSignedUp": store.Denied, "KMS.DisabledException": store.Denied,

	"ExpiredToken": store.Expired, "ExpiredTokenException": store.Expired, "TokenRefreshRequired": store.Expired, "RequestExpired": store.Expired,

	"RequestTimeTooSkewed": store.Skew,

	"PermanentRedirect": store.WrongRegion, "Redirect": store.WrongRegion, "TemporaryRedirect": store.WrongRegion, "AuthorizationHeaderMalformed": store.WrongRegion,
	"IllegalLocationConstraintException": store.WrongRegion, "BucketRegionError": store.WrongRegion,

	"QuotaExceeded": store.Quota, "ServiceQuotaExceeded": store.Quota, "XMinioStorageFull": store.Quota, "XMinioAdminBucketQuotaExceeded": store.Quota, "StorageFull": store.Quota,

	// A body that arrived damaged is sent again.
	"BadDigest": store.Unavailable, "InvalidDigest": store.Unavailable, "XAmzContentSHA256Mismatch": store.Unavailable, "XAmzContentChecksumMismatch": store.Unavailable,
	"IncompleteBody": store.Unavailable, "RequestTimeout": store.Unavailable, "SlowDown": store.Unavailable, "ServiceUnavailable": store.Unavailable,
	"InternalError": store.Unavailable, "Throttling": store.Unavailable, "ThrottlingException": store.Unavailable, "RequestLimitExceeded": store.Unavailable,
	"TooManyRequests": store.Unavailable,
}

// badCredentials are the codes of Denied where no permission helps.
var badCredentials = map[string]bool{"InvalidAccessKeyId": true, "SignatureDoesNotMatch": true, "InvalidToken": true, "InvalidSecurity": true, "NotSignedUp": true}

// failure makes of an error of the SDK what object.Bucket promises.
func (b *bucket) failure(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &store.RemoteError{Op: op, URL: b.URL(key), Class: store.Failed}
	if ctx.Err() != nil {
		e.Class, e.Err = store.Unavailable, context.Cause(ctx)
		return e
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		e.Status, e.RequestID = response.HTTPStatusCode(), response.RequestID
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Reason = api.ErrorCode()
		if text := api.ErrorMessage(); text != "" {
			e.Err = errors.New(b.secrets.Scrub(text))
		}
	}
	if api == nil && e.Status != 0 {
		e.Err = errors.New("an answer that cannot be read")
	}
	if e.Status == 0 && api == nil {
		return b.unanswered(e, err)
	}
	if answer := answers[e.Reason]; answer != nil {
		return answer
	}
	switch { // those whose body did not say why, as none of an answer to HEAD does
	case e.Status == http.StatusPreconditionFailed:
		return fs.ErrExist
	case e.Status == http.StatusConflict && op != "DeleteObject":
		return object.ErrConflict
	case e.Status == http.StatusRequestedRangeNotSatisfiable:
		return io.ErrUnexpectedEOF
	case e.Status == http.StatusNotFound && classes[e.Reason] == "" && op == "GetObject":
		return fs.ErrNotExist
	}
	b.classify(e, response)
	return e
}

// classify says what is wrong, and what to do about it.
func (b *bucket) classify(e *store.RemoteError, response *awshttp.ResponseError) {
	e.Class = classes[e.Reason]
	if e.Class == "" {
		e.Class = classOf(e.Status)
	}
	conditional := e.Op == "PutObject" || e.Op == "CompleteMultipartUpload"
	switch {
	case e.Status == http.StatusNotImplemented && conditional:
		e.Class, e.Advice = store.WithoutConditions, "two processes could overwrite each other's files; choose a store that honours If-None-Match"
		e.Err = fmt.Errorf("%w: %w", store.ErrWithoutConditions, cmp.Or(e.Err, errors.New("not implemented")))
	case e.Class == store.Denied && badCredentials[e.Reason]:
		e.Advice = "these credentials are not accepted; check AWS_PROFILE or AWS_ACCESS_KEY_ID, and that they belong to this endpoint"
	case e.Class == store.Denied:
		e.Advice = "grant " + actions[e.Op] + " on this bucket and prefix to whom the credentials belong"
	case e.Class == store.Missing:
		e.Advice = "create the bucket, or check its name and the endpoint"
	case e.Class == store.Expired:
		b.renew()
		e.Advice = "the credentials have expired; renew them, or use a role, which renews them by itself"
	case e.Class == store.Skew:
		e.Advice = "the clock of this machine differs from the store's by more than 15 minutes; set it"
	case e.Class == store.Quota:
		e.Advice = "the store takes no more; free some space or raise the quota, then run again: nothing is bought twice"
	case e.Class == store.WrongRegion:
		e.Advice = "the bucket is in another region; set AWS_REGION, or add ?region=… to the address"
		if response != nil && response.Response != nil {
			if region := response.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
				e.Advice = "the bucket is in region " + store.Printable(region) + "; set AWS_REGION=" + store.Printable(region)
			}
		}
	}
}

func classOf(status int) store.Class {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return store.Denied
	case status == http.StatusInsufficientStorage:
		return store.Quota
	case status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		return store.WrongRegion
	case status == http.StatusNotImplemented:
		return store.Failed
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500, status < 300:
		return store.Unavailable // a 200 with an error in it has a status below 300
	}
	return store.Failed
}

// unanswered is the error of a request that had no answer, or one that could not be read.
func (b *bucket) unanswered(e *store.RemoteError, err error) error {
	var missing *noCredentials
	var sent *smithyhttp.RequestSendError
	var garbled *smithy.DeserializationError
	var cut *broken
	switch {
	case errors.As(err, &missing):
		e.Class, err = store.Denied, missing.error
		e.Advice = "no credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is given"
		if missing.had {
			e.Class, e.Advice = store.Unavailable, "credentials could not be renewed"
		}
	case errors.As(err, &sent):
		e.Class, err = store.Unavailable, sent.Err
	case errors.As(err, &garbled), errors.As(err, &cut):
		e.Class = store.Unavailable
	}
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // without the address, which has parameters
	}
	var unknown x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown), errors.As(err, &verification):
		e.Class, e.Advice = store.Failed, "the certificate of the store is not trusted; name the file of your authority's in AWS_CA_BUNDLE"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		e.Class, e.Advice = store.Failed, "the endpoint does not speak TLS; use http:// in the endpoint, or disable_https=true"
	}
	e.Err = errors.New(b.secrets.Scrub(err.Error()))
	return e
}
