package azure

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// tokens note what they pass on, and mark their errors.
type tokens struct {
	from    azcore.TokenCredential
	secrets *object.Secrets
}

// noToken is an error of those who give tokens, and not of the store.
type noToken struct{ error }

func (e *noToken) Unwrap() error { return e.error }

// NonRetriable keeps the SDK from trying again, which is done above it.
func (e *noToken) NonRetriable() {}

func (t *tokens) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := t.from.GetToken(ctx, options)
	if err != nil {
		return token, &noToken{err}
	}
	t.secrets.Add(token.Token)
	return token, nil
}

// permissions are what requests need: a part of the action's name, and letters of a shared access signature.
var permissions = map[string][2]string{
	opStage:  {"write", "write"},
	opCommit: {"write", "write"},
	opGet:    {"read", "read"},
	opList:   {"read", "list"},
	opDelete: {"delete", "delete"},
}

// answers are the codes that mean one thing whatever was asked.
var answers = map[string]error{
	"BlobAlreadyExists": fs.ErrExist,
	// A signature that may create and not overwrite is told that it may not.
	"UnauthorizedBlobOverwrite": fs.ErrExist,
	"BlobNotFound":              fs.ErrNotExist,
	"InvalidRange":              io.ErrUnexpectedEOF,
	"InvalidBlockList":          object.ErrNoUpload,
}

var classes = map[string]store.Class{
	"ContainerNotFound": store.Missing, "ContainerDisabled": store.Missing, "ContainerBeingDeleted": store.Missing, "ResourceNotFound": store.Missing,

	"InvalidAuthenticationInfo": store.Expired, "ExpiredAuthenticationToken": store.Expired,

	// A body that arrived damaged is sent again.
	"Crc64Mismatch": store.Unavailable, "Md5Mismatch": store.Unavailable,
	"ServerBusy": store.Unavailable, "OperationTimedOut": store.Unavailable, "InternalError": store.Unavailable, "AccountBeingCreated": store.Unavailable,

	"AccountLimitExceeded": store.Quota, "BlockCountExceedsLimit": store.Quota,
}

const (
	adviceSkew    = "the clock of this machine differs from the store's by minutes; set it"
	adviceExpired = "log in again, or use a managed identity, which renews its tokens by itself"
)

// failure makes of an error of the SDK what object.Bucket promises. Messages of the store are left out, since they
// quote signatures; its codes say enough.
func (b *bucket) failure(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &store.RemoteError{Op: op, URL: b.URL(key), Class: store.Unavailable}
	var answer *azcore.ResponseError
	var token *noToken
	switch {
	case ctx.Err() != nil:
		e.Err = errors.New(b.secrets.Scrub(context.Cause(ctx).Error()))
		return e
	case errors.As(err, &token):
		return b.uncredited(e, token.error)
	case !errors.As(err, &answer):
		return b.unanswered(e, err)
	}
	e.Status, e.Reason = answer.StatusCode, b.secrets.Scrub(answer.ErrorCode)
	var header http.Header
	if answer.RawResponse != nil {
		header = answer.RawResponse.Header
		e.RequestID = b.secrets.Scrub(header.Get("X-Ms-Request-Id"))
	}
	if meaning := answers[answer.ErrorCode]; meaning != nil {
		return meaning
	}
	switch {
	case e.Status == http.StatusPreconditionFailed && op == opCommit:
		return fs.ErrExist
	case e.Status == http.StatusPreconditionFailed && op == opDelete:
		return object.ErrChanged
	case e.Status == http.StatusRequestedRangeNotSatisfiable:
		return io.ErrUnexpectedEOF
	}
	b.classify(e, header)
	return e
}

// classify says what is wrong, and what to do about it.
func (b *bucket) classify(e *store.RemoteError, header http.Header) {
	e.Class = classes[e.Reason]
	refused := e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	switch {
	case (refused || e.Class == store.Expired) && skewed(header):
		e.Class = store.Skew
	case refused && !b.expires.IsZero() && time.Now().After(b.expires):
		e.Class, e.Advice = store.Expired, "the shared access signature expired at "+b.expires.Format(time.RFC3339)+"; make a new one and set AZURE_STORAGE_SAS_TOKEN"
	case e.Class != "":
	case refused:
		e.Class = store.Denied
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusRequestTimeout, e.Status >= http.StatusInternalServerError:
		e.Class = store.Unavailable
	default:
		e.Class = store.Failed
	}
	switch {
	case e.Advice != "":
	case e.Class == store.Denied && (e.Reason == "AuthenticationFailed" || e.Reason == "NoAuthenticationInformation"):
		e.Advice = "these credentials are not accepted; check that they belong to this account"
	case e.Class == store.Denied && e.Reason == "AuthorizationFailure":
		e.Advice = "let this machine in through the firewall of the storage account, and check what the credentials may do"
	case e.Class == store.Denied:
		p := permissions[e.Op]
		e.Advice = "grant Microsoft.Storage/storageAccounts/blobServices/containers/blobs/" + p[0] +
			", which the role Storage Blob Data Contributor has; a shared access signature needs the permission to " + p[1]
	case e.Class == store.Missing:
		e.Advice = "create the container, or check its name and the account"
	case e.Class == store.Expired:
		e.Advice = adviceExpired
	case e.Class == store.Skew:
		e.Advice = adviceSkew
	case e.Class == store.Quota:
		e.Advice = "raise the limit of the account, or choose another one"
	}
}

// uncredited is the error of a token that was not to be had.
func (b *bucket) uncredited(e *store.RemoteError, err error) error {
	e.Err = errors.New(b.secrets.Scrub("no token: " + err.Error()))
	e.Advice = adviceCredentials
	var failed *azidentity.AuthenticationFailedError
	switch {
	case !errors.As(err, &failed):
		e.Class = store.Denied // none of the credentials was there
	case failed.RawResponse == nil:
	default:
		e.Status = failed.RawResponse.StatusCode
		switch {
		case e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError:
		case skewed(failed.RawResponse.Header):
			e.Class, e.Advice = store.Skew, adviceSkew
		default:
			e.Class = store.Denied
		}
	}
	return e
}

// unanswered is the error of a request that may have been executed. The address is left out, which may have a signature,
// and the cause's type too, because a connection that breaks says ErrUnexpectedEOF.
func (b *bucket) unanswered(e *store.RemoteError, err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if unknown := (*net.DNSError)(nil); errors.As(err, &unknown) && unknown.IsNotFound {
		e.Advice = "check the name of the storage account"
	}
	e.Err = errors.New(b.secrets.Scrub(err.Error()))
	return e
}

// most is how far a clock may be wrong. Azure allows 15 minutes; tokens allow 5.
const most = 5 * time.Minute

// skewed tells whether the clock of this machine is another one than the answer's.
func skewed(h http.Header) bool {
	there, err := http.ParseTime(h.Get("Date"))
	return err == nil && time.Since(there).Abs() > most
}
