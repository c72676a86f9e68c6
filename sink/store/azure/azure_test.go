package azure

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"go.uber.org/goleak"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account   = "devstoreaccount1"
	signature = "c2VjcmV0LXNpZ25hdHVyZQ=="
	bearer    = "eyJ0-bearer-token"
)

// accountKey is nobody's.
var accountKey = base64.StdEncoding.EncodeToString([]byte("a secret key of an account"))

func sas(expires time.Time) string {
	return "sv=2024-11-04&sp=rwdl&sr=c&se=" + url.QueryEscape(expires.UTC().Format(time.RFC3339)) + "&sig=" + url.QueryEscape(signature)
}

// environ sets all that Open reads.
func environ(t *testing.T, set ...string) {
	t.Helper()
	for _, name := range []string{"AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING",
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TOKEN_CREDENTIALS"} {
		t.Setenv(name, "") // so that it comes back
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range set {
		name, value, _ := strings.Cut(s, "=")
		t.Setenv(name, value)
	}
}

// driver connects to a server as Open would.
func driver(t *testing.T, server *httptest.Server, tell func(string)) *bucket {
	t.Helper()
	b, _, err := open(&url.URL{Scheme: Scheme, Host: "container", RawQuery: "storage_account=" + account + "&protocol=http&localemu=true&domain=" + strings.TrimPrefix(server.URL, "http://")}, object.NewSecrets(tell))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// requests are all that a driver may ask.
var requests = map[string]func(ctx context.Context, b *bucket) error{
	"put":    func(ctx context.Context, b *bucket) error { return b.Put(ctx, "key", []byte("text")) },
	"get":    func(ctx context.Context, b *bucket) error { return b.Get(ctx, "key", make([]byte, 10), 0) },
	"delete": func(ctx context.Context, b *bucket) error { return b.Delete(ctx, "key", `"0x1"`) },
	"list": func(ctx context.Context, b *bucket) error {
		_, _, err := b.List(ctx, "key", "")
		return err
	},
	"part":     func(ctx context.Context, b *bucket) error { return b.begin("key").Part(ctx, 1, []byte("text")) },
	"complete": func(ctx context.Context, b *bucket) error { return b.begin("key").Complete(ctx) },
}

// Every request, and what the store may answer to it, is of a class, says what to do, and shows no secret, whichever
// credentials are used.
func TestErrors(t *testing.T) {
	const all = "put get delete list part complete"
	old := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	valid := time.Now().Add(time.Hour)
	for _, c := range []struct {
		ops     string
		status  int
		code    string
		date    string
		expires time.Time
		class   store.Class // "" if an error of object.Bucket
		is      error
		advice  string
	}{
		{ops: "put part complete get list delete", status: 404, code: "ContainerNotFound", class: store.Missing, advice: "create the container"},
		{ops: "get", status: 404, code: "BlobNotFound", is: fs.ErrNotExist},
		{ops: "get", status: 416, code: "InvalidRange", is: io.ErrUnexpectedEOF},
		{ops: "put part complete", status: 403, code: "AuthorizationPermissionMismatch", class: store.Denied, advice: "blobs/write"},
		{ops: "get list", status: 403, code: "AuthorizationPermissionMismatch", class: store.Denied, advice: "blobs/read"},
		{ops: "delete", status: 403, code: "AuthorizationPermissionMismatch", class: store.Denied, advice: "blobs/delete"},
		{ops: all, status: 403, code: "AuthenticationFailed", class: store.Denied, advice: "not accepted"},
		{ops: all, status: 403, code: "AuthorizationFailure", class: store.Denied, advice: "firewall"},
		{ops: all, status: 403, code: "AuthenticationFailed", expires: time.Now().Add(-time.Hour), class: store.Expired, advice: "expired at"},
		{ops: all, status: 403, code: "AuthenticationFailed", date: old, class: store.Skew, advice: "clock"},
		{ops: all, status: 401, code: "InvalidAuthenticationInfo", class: store.Expired, advice: "log in again"},
		{ops: all, status: 503, code: "ServerBusy", class: store.Unavailable},
		{ops: all, status: 500, code: "InternalError", class: store.Unavailable},
		{ops: all, status: 500, code: "OperationTimedOut", class: store.Unavailable},
		{ops: all, status: 429, class: store.Unavailable},
		{ops: "put part", status: 400, code: "Crc64Mismatch", class: store.Unavailable},
		{ops: all, status: 400, code: "InvalidInput", class: store.Failed},
		{ops: "delete", status: 409, code: "BlobImmutableDueToPolicy", class: store.Failed},
		{ops: "complete", status: 409, code: "BlobAlreadyExists", is: fs.ErrExist},
		{ops: "complete", status: 412, code: "ConditionNotMet", is: fs.ErrExist},
		{ops: "complete", status: 412, code: "LeaseIdMissing", is: fs.ErrExist},
		{ops: "complete", status: 403, code: "UnauthorizedBlobOverwrite", is: fs.ErrExist},
		{ops: "delete", status: 412, code: "ConditionNotMet", is: object.ErrChanged},
		{ops: all, status: 0, class: store.Unavailable},
	} {
		for op := range strings.FieldsSeq(c.ops) {
			if c.expires.IsZero() {
				c.expires = valid
			}
			for kind, set := range map[string][]string{
				"key":    {"AZURE_STORAGE_ACCOUNT=" + account, "AZURE_STORAGE_KEY=" + accountKey},
				"sas":    {"AZURE_STORAGE_ACCOUNT=" + account, "AZURE_STORAGE_SAS_TOKEN=?" + sas(c.expires)},
				"bearer": nil,
			} {
				if kind != "sas" && c.expires != valid {
					continue
				}
				t.Run(fmt.Sprint(op, c.status, c.code, kind), func(t *testing.T) {
					environ(t, set...)
					var sent atomic.Int64
					server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						sent.Add(1)
						_, _ = io.Copy(io.Discard, r.Body)
						if c.status == 0 {
							panic(http.ErrAbortHandler)
						}
						if c.date != "" {
							w.Header().Set("Date", c.date)
						}
						w.Header().Set("X-Ms-Error-Code", c.code)
						w.Header().Set("X-Ms-Request-Id", "request-id")
						w.WriteHeader(c.status)
						fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>you sent %s to %s</Message></Error>", c.code, r.Header.Get("Authorization"), r.URL)
					}))
					defer server.Close()
					b := driver(t, server, nil)
					if kind == "bearer" {
						b.client = withToken(t, server, b, fixed{})
					}
					err := requests[op](t.Context(), b)
					if sent := sent.Load(); sent != 1 {
						t.Errorf("%d requests", sent)
					}
					text := fmt.Sprint(err)
					for _, secret := range []string{accountKey, signature, url.QueryEscape(signature), "sig=", bearer, "SharedKey", "Bearer"} {
						if strings.Contains(text, secret) {
							t.Errorf("a secret in %s", text)
						}
					}
					if c.is != nil {
						if !errors.Is(err, c.is) {
							t.Errorf("%v; want %v", err, c.is)
						}
						return
					}
					var remote *store.RemoteError
					if !errors.As(err, &remote) || remote.Class != c.class || remote.Status != c.status || !strings.Contains(remote.Advice, c.advice) {
						t.Fatalf("%v is %+v; want %s", err, remote, c.class)
					}
					if c.status > 0 && (remote.RequestID != "request-id" || remote.Reason != c.code) {
						t.Errorf("request %q, reason %q", remote.RequestID, remote.Reason)
					}
				})
			}
		}
	}
}

type fixed struct{ err error }

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: bearer, ExpiresOn: time.Now().Add(time.Hour)}, f.err
}

// withToken is a client that may send tokens without TLS.
func withToken(t *testing.T, server *httptest.Server, b *bucket, from azcore.TokenCredential) *container.Client {
	client, err := container.NewClient(server.URL+"/"+account+"/container", &tokens{from: from, secrets: b.secrets}, &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: b.http, Retry: policy.RetryOptions{MaxRetries: -1}, InsecureAllowCredentialWithHTTP: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Tokens that are not to be had.
func TestErrors_Tokens(t *testing.T) {
	refused := func(status int, date time.Time) error {
		return &azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: status, Header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}}, Body: http.NoBody,
			Request: httptest.NewRequest(http.MethodPost, "https://login.example/token", nil)}}
	}
	for _, c := range []struct {
		name  string
		err   error
		class store.Class
	}{
		{"none", errors.New("there is none, not even the-client-secret"), store.Denied},
		{"refused", refused(401, time.Now()), store.Denied},
		{"skewed", refused(401, time.Now().Add(time.Hour)), store.Skew},
		{"busy", refused(503, time.Now()), store.Unavailable},
		{"unreachable", &azidentity.AuthenticationFailedError{}, store.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			environ(t, "AZURE_STORAGE_ACCOUNT="+account, "AZURE_CLIENT_SECRET=the-client-secret")
			server := httptest.NewServer(http.NotFoundHandler())
			defer server.Close()
			var told []string
			b := driver(t, server, func(text string) { told = append(told, text) })
			b.client = withToken(t, server, b, fixed{c.err})
			err := b.Put(t.Context(), "key", nil)
			var remote *store.RemoteError
			if !errors.As(err, &remote) || remote.Class != c.class {
				t.Errorf("%v is %+v; want %s", err, remote, c.class)
			}
			if strings.Contains(fmt.Sprint(err), "the-client-secret") || len(told) != 1 {
				t.Errorf("%v; told %q", err, told)
			}
		})
	}
}

// Blocks that a winner took away: the blob tells who won.
func TestComplete_BlocksAreGone(t *testing.T) {
	for status, want := range map[int]error{http.StatusPartialContent: fs.ErrExist, http.StatusNotFound: object.ErrNoUpload, http.StatusRequestedRangeNotSatisfiable: fs.ErrExist} {
		environ(t, "AZURE_STORAGE_ACCOUNT="+account, "AZURE_STORAGE_KEY="+accountKey)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPut:
				w.Header().Set("X-Ms-Error-Code", "InvalidBlockList")
				w.WriteHeader(http.StatusBadRequest)
			case status == http.StatusPartialContent:
				w.Header().Set("Content-Range", "bytes 0-0/7")
				w.WriteHeader(status)
				fmt.Fprint(w, "x")
			default:
				w.Header().Set("X-Ms-Error-Code", map[int]string{404: "BlobNotFound", 416: "InvalidRange"}[status])
				w.WriteHeader(status)
			}
		}))
		if err := driver(t, server, nil).begin("key").Complete(t.Context()); !errors.Is(err, want) {
			t.Errorf("%d: %v; want %v", status, err, want)
		}
		server.Close()
	}
}

func TestOpen(t *testing.T) {
	connection := "DefaultEndpointsProtocol=https;AccountName=" + account + ";AccountKey=" + accountKey + ";EndpointSuffix=core.windows.net"
	for _, c := range []struct {
		address string
		env     []string
		url     string
		want    string // of the error; "": none
	}{
		{address: "azblob://container/a/b", env: []string{"AZURE_STORAGE_ACCOUNT=account", "AZURE_STORAGE_KEY=" + accountKey}, url: "https://account.blob.core.windows.net/container"},
		{address: "azblob://container?storage_account=other", env: []string{"AZURE_STORAGE_ACCOUNT=account"}, url: "https://other.blob.core.windows.net/container"},
		{address: "azblob://container?domain=cdn.example&cdn=true", env: []string{"AZURE_STORAGE_ACCOUNT=account"}, url: "https://cdn.example/container"},
		{address: "azblob://container?domain=127.0.0.1:10000&localemu=true&protocol=http", env: []string{"AZURE_STORAGE_ACCOUNT=account", "AZURE_STORAGE_SAS_TOKEN=" + sas(time.Now())}, url: "http://127.0.0.1:10000/account/container"},
		{address: "azblob://container", env: []string{"AZURE_STORAGE_CONNECTION_STRING=" + connection}, url: "https://" + account + ".blob.core.windows.net/container"},
		{address: "azblob://container", env: []string{"AZURE_STORAGE_CONNECTION_STRING=BlobEndpoint=http://127.0.0.1:1/account;SharedAccessSignature=" + sas(time.Now())}, url: "http://127.0.0.1:1/account/container"},
		{address: "azblob://container", want: "the storage account is not known"},
		{address: "azblob://container?storage_account=a/b", want: "other characters"},
		{address: "azblob://container?storage_account=account&protocol=http", want: "belong together"},
		{address: "azblob://container?storage_account=account&localemu=true", want: "belong together"},
		{address: "azblob://container?storage_account=account&domain=me@host", want: "not a host"},
		{address: "azblob://container?domain=x", env: []string{"AZURE_STORAGE_CONNECTION_STRING=" + connection}, want: "no meaning beside"},
		{address: "azblob://container", env: []string{"AZURE_STORAGE_CONNECTION_STRING=AccountKey=" + accountKey}, want: "not a connection string"},
		{address: "azblob://container", env: []string{"AZURE_STORAGE_ACCOUNT=account", "AZURE_STORAGE_KEY=secret-%%%"}, want: "not the key of an account"},
		{address: "azblob://container", env: []string{"AZURE_STORAGE_ACCOUNT=account", "AZURE_STORAGE_SAS_TOKEN=secret"}, want: "not a shared access signature"},
		{address: "azblob://container?sig=secret&sv=1", want: `unknown parameter "sig"; known are cdn, domain, localemu, protocol, storage_account`},
		{address: "azblob://container?cdn=secret", want: "expected true or false"},
		{address: "azblob:///container", want: "use azblob://bucket/prefix"},
	} {
		t.Run(c.address, func(t *testing.T) {
			environ(t, c.env...)
			u, err := url.Parse(c.address)
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			s, err := Open(t.Context(), u, object.Config{Secret: func(text string) { told = append(told, text) }})
			if err == nil {
				if got := s.Path("name"); got != "azblob://container"+u.Path+"/name" {
					t.Error(got)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			text := fmt.Sprint(err)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(text, c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			for _, secret := range []string{accountKey, signature, "secret&", "secret-", "=secret"} {
				if strings.Contains(text, secret) {
					t.Errorf("a secret in %s", text)
				}
				if strings.Contains(strings.Join(c.env, " "), secret) && c.want == "" && !strings.Contains(strings.Join(told, " "), secret) {
					t.Errorf("nobody was told %s", secret)
				}
			}
			if c.url == "" {
				return
			}
			b, _, err := open(u, object.NewSecrets(nil))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			if got, _, _ := strings.Cut(b.client.URL(), "?"); got != c.url {
				t.Errorf("the address is %s, want %s", got, c.url)
			}
		})
	}
}
